import type { AuditFields, AuditLine } from '../../../shared/administration/audit-line.js'
import type { Principal } from '../../../shared/principal.js'

/** What of a line somebody may see; `undefined` if nothing. */
export type View = (line: AuditLine) => AuditLine | undefined

/**
 * What the owner of a service sees of a line: who got or was denied a ticket for it, and what was changed about it alone.
 * Requests, channels and readings are not among it, nor is a change that is about something else too.
 */
export function ownerView(service: Principal): View {
  return line => {
    if (line.kind === 'ticket' && line.service === service) return told(line, OF_TICKET)
    return isChangeOf(service, line) ? told(line, OF_CHANGE) : undefined
  }
}

type Name = keyof AuditFields

const ALWAYS = ['kind', 'outcome', 'client', 'via'] as const satisfies readonly Name[]
/**
 * Of what a service does not learn itself from a ticket, the rule, and why a ticket was denied. Neither the address nor the
 * TGT: it is the same in the client's tickets for other services.
 */
const OF_TICKET = ['exchange', 'service', 'rule', 'code', 'id', 'reason', 'ticket', 'ends'] as const
/** Neither from where it was changed, nor under which ticket, nor its details. */
const OF_CHANGE = ['method', 'on'] as const

function told(line: AuditLine, names: readonly Name[]): AuditLine {
  const { n, at, kind, outcome } = line
  const seen = [...ALWAYS, ...names].flatMap(name => (line[name] === undefined ? [] : [[name, line[name]]]))
  return { n, at, kind, outcome, ...Object.fromEntries(seen) }
}

/** Methods whose second subject is the service that they are about: the first is a client, or an invitation. */
const OF_PAIR: ReadonlySet<string | undefined> = new Set(['allow', 'deny', 'forget', 'invite'])

function isChangeOf(service: Principal, { kind, outcome, method, on = [] }: AuditLine): boolean {
  if (kind !== 'administration' || outcome === 'read') return false
  return OF_PAIR.has(method) ? on.length === 2 && on[1] === service : on.length === 1 && on[0] === service
}
