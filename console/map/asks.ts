import type { AuditLine } from '../../shared/administration/audit-line.js'

/** What the audit log says of who asks whom for what: pure functions of its lines. Times are milliseconds. */

/** A client asked for a ticket for a service, and got it or not. */
export interface Ask {
  readonly client: string
  readonly service: string
  readonly at: number
  readonly granted: boolean
  readonly from: string
  /** Why it was denied. */
  readonly denial?: Denial
}

export interface Denial {
  readonly at: number
  readonly code: string
  readonly reason: string
  /** With which `orthrus admin why --id` and the view of reasons find it. */
  readonly id: string | undefined
}

/** Logins are no edge: everybody has one. They are what `uses` leaves out, too. */
const LOGIN = /^krbtgt@/

/** `undefined` for a line that is not about a ticket for a service. */
export function askOf(line: AuditLine): Ask | undefined {
  const { kind, outcome, client, service, from = '' } = line
  if (kind !== 'ticket' || client === undefined || service === undefined || LOGIN.test(service))
    return undefined
  const at = Date.parse(line.at)
  if (outcome === 'granted') return { client, service, at, granted: true, from }
  return { client, service, at, granted: false, from, denial: denialOf(line, at) }
}

function denialOf({ code = 'denied', reason = '', id }: AuditLine, at: number): Denial {
  return { at, code, reason, id }
}

/** A whole request that was refused: a login with a wrong key, an expired TGT, too many requests. */
export interface Refusal extends Denial {
  /** The number of its line. */
  readonly n: number
  /** Absent where nobody proved a key: who it claims to be may be a lie, and is not put on the map. */
  readonly client: string | undefined
  readonly from: string
}

export function refusalOf(line: AuditLine): Refusal | undefined {
  const { kind, outcome, client, from = '' } = line
  if (kind !== 'request' || (outcome !== 'refused' && outcome !== 'failed')) return undefined
  return { ...denialOf(line, Date.parse(line.at)), n: line.n, client, from }
}

/** How many lines the KDC left out of its log here, so that rates are too low; 0 for other lines. */
export function omittedIn({ kind, outcome, count }: AuditLine): number {
  return kind === 'log' && outcome === 'noted' && count !== undefined ? Math.max(0, count) : 0
}

/** The name of a pair in maps. No principal has a space. */
export function pairOf({ client, service }: Pick<Ask, 'client' | 'service'>): string {
  return `${client} ${service}`
}
