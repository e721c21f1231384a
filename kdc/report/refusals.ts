import type { KeptRefusal } from '../../shared/administration/refusals.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { REFUSALS_KEPT } from '../limits/defaults.js'
import type { KdcEvent, Origin } from './events.js'

/**
 * The last refusals, so that their ids can be asked about (`orthrus admin why --id`). They are in memory only. Each
 * client has a bounded number, and everybody who proved nothing has one together: nobody can drive out what was refused
 * to another client.
 */
export class RefusalMemory {
  readonly #now: () => number
  readonly #kept = new RecentlyUsed<Principal, KeptRefusal[]>(REFUSALS_KEPT.CLIENTS)
  readonly #unproved: KeptRefusal[] = []

  /** @param now KDC time, milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** A listener to the events of a KDC. */
  readonly listen = (event: KdcEvent): void => {
    if (event.kind === 'ticket_denied') {
      const { origin, client, service, rule, code, reason } = event
      this.#keep(event.id, origin, { client, claimed: null, service, rule, code, reason, hint: null })
    } else if (event.kind === 'request_refused' && event.id !== null) {
      const { origin, code, facts } = event
      const [client = null] = origin.mayBeRepeat ? [] : [origin.client ?? origin.by?.at(-1)]
      // Whether a password is right that may have been guessed is for the log alone.
      const reason = client === null && code === 'rate_limited' ? 'too many requests' : event.reason
      const claimed = client === null ? (facts.principal ?? null) : null
      const hint = facts.hint ?? null
      this.#keep(event.id, origin, { client, claimed, service: null, rule: null, code, reason, hint })
    }
  }

  /** All with this id: those of one request. */
  find(id: string): KeptRefusal[] {
    return [...this.#unproved, ...this.#kept.entries().flatMap(([, own]) => own)].filter(
      kept => kept.id === id,
    )
  }

  /** Those that were told to this client. */
  findOf(client: Principal, id: string): KeptRefusal[] {
    return (this.#kept.get(client) ?? []).filter(kept => kept.id === id)
  }

  #keep(id: string, origin: Origin, what: Omit<KeptRefusal, 'id' | 'at' | 'exchange'>): void {
    const { client } = what
    const kept = { id, at: this.#now(), exchange: origin.exchange ?? null, ...what }
    if (client === null) {
      append(this.#unproved, kept, REFUSALS_KEPT.UNPROVED)
      return
    }
    const own = this.#kept.get(client) ?? []
    append(own, kept, REFUSALS_KEPT.PER_CLIENT)
    this.#kept.set(client, own)
  }
}

function append(list: KeptRefusal[], kept: KeptRefusal, most: number): void {
  list.push(kept)
  if (list.length > most) list.shift()
}
