import type { PolicyRule, RuleRate } from '../../shared/administration/rule.js'
import type { Principal } from '../../shared/principal.js'
import { recentlyUsed } from '../../shared/recently-used.js'
import { COUNTED_RULES } from './defaults.js'

/** A rule that has a rate. */
export type RatedRule = Pick<PolicyRule, 'client' | 'service'>

interface Count extends RuleRate {
  /** Changes with each ticket. */
  count: number
  /** By the monotonic clock, milliseconds. */
  readonly endsAt: number
}

/**
 * Counts the tickets that each client gets by a rule that has a rate, in an interval that begins with the first of them.
 * Only clients that proved their key are counted, and only by rules that administrators made.
 */
export class RuleRates {
  readonly #counts = recentlyUsed<string, Count>(COUNTED_RULES)
  readonly #monotonic: () => number

  /** @param monotonic milliseconds */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /**
   * @param takes whether the ticket is counted
   * @returns how long there is none left for the client, milliseconds; 0 if there is
   */
  wait(client: Principal, { client: by, service }: RatedRule, rate: RuleRate, takes: boolean): number {
    const now = this.#monotonic()
    const name = `${client} ${by} ${service}`
    const known = this.#counts.get(name)
    // An administrator may have changed the rate meanwhile.
    const isCurrent = known !== undefined && now < known.endsAt && known.interval === rate.interval
    const share = isCurrent ? known : { ...rate, count: 0, endsAt: now + rate.interval }
    if (share.count >= rate.points) return share.endsAt - now
    if (!takes) return 0
    share.count += 1
    if (!isCurrent) this.#counts.set(name, share)
    return 0
  }
}
