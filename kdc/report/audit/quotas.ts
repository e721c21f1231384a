import type { AuditFields } from '../../../shared/administration/audit-line.js'
import type { Rate } from '../../limits/defaults.js'
import { NETWORK_SHARES, networksOf } from '../../limits/networks.js'
import type { KdcEvent, Origin } from '../events.js'
import { LineQuota } from '../line-quota.js'
import { OMITTED } from './notes.js'

/**
 * How much of the log one requester may fill. Old files are removed as new ones come, so whoever could fill the log
 * without end could push its own traces out of it. What is left out is counted, and the log says so.
 */
export interface AuditShares {
  /** Requests refused of one address that proved no key, or of one client. An IPv6 address has its networks too. */
  readonly refusals: Rate
  /** Requests refused of all addresses together that proved no key. */
  readonly allRefusals: Rate
  /** Tickets granted and denied of one client, and its channels. */
  readonly tickets: Rate
}

const ADDRESS = 'address '
const ALL = 'all addresses'

export class AuditQuotas {
  readonly #networks: readonly LineQuota[]
  readonly #clients: LineQuota
  readonly #tickets: LineQuota
  readonly #all: LineQuota
  readonly #quotas: readonly LineQuota[]

  /** @param monotonic milliseconds of a clock that is never set */
  constructor({ refusals, allRefusals, tickets }: AuditShares, monotonic: () => number) {
    const { points, interval } = refusals
    this.#networks = NETWORK_SHARES.map(
      share => new LineQuota({ points: points * share, interval }, monotonic),
    )
    this.#clients = new LineQuota(refusals, monotonic)
    this.#tickets = new LineQuota(tickets, monotonic)
    this.#all = new LineQuota(allRefusals, monotonic)
    this.#quotas = [...this.#networks, this.#clients, this.#tickets, this.#all]
  }

  /** Counts an event. @returns whether it gets a line */
  take(event: KdcEvent): boolean {
    switch (event.kind) {
      case 'ticket_granted':
      case 'ticket_denied':
        // Whoever repeats a request must not use up the share of its client.
        if (event.origin.mayBeRepeat) return this.#takeRefusal(event.origin)
        return isWritten(this.#tickets, event.client)
      case 'channel_opened':
      case 'channel_ended':
        return isWritten(this.#tickets, requesterOf(event.origin))
      case 'request_refused':
      case 'request_failed':
      case 'request_repeated':
        return this.#takeRefusal(event.origin)
      default:
        return true
    }
  }

  /** Tells what was left out in intervals that have ended. @param all also in those that have not */
  tellOmitted(all: boolean, tell: (fields: AuditFields) => void): void {
    for (const quota of this.#quotas) {
      for (const { requester, omitted } of quota.ended(all)) {
        const isAddress = requester.startsWith(ADDRESS)
        const who = isAddress ? { from: requester.slice(ADDRESS.length) } : { client: requester }
        tell({ kind: 'log', outcome: 'noted', reason: OMITTED, ...who, count: omitted })
      }
    }
  }

  #takeRefusal(origin: Origin): boolean {
    const requester = requesterOf(origin)
    if (!requester.startsWith(ADDRESS)) return isWritten(this.#clients, requester)
    for (const [i, network] of networksOf(requester.slice(ADDRESS.length)).entries()) {
      const quota = this.#networks[i]
      if (quota !== undefined && !isWritten(quota, `${ADDRESS}${network}`)) return false
    }
    return isWritten(this.#all, ALL)
  }
}

function isWritten(quota: LineQuota, requester: string): boolean {
  return quota.take('info', requester).fate === 'written'
}

/** Whoever proved a key counts by its name, so that nobody else uses up its share. */
function requesterOf({ address, client, by, mayBeRepeat }: Origin): string {
  return by?.join(' ') ?? (mayBeRepeat ? undefined : client) ?? `${ADDRESS}${address}`
}
