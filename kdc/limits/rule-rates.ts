import type { PolicyRule, RuleRate } from '../../shared/administration/rule.js'
import type { Principal } from '../../shared/principal.js'
import { RecentlyUsed } from '../../shared/recently-used.js'
import { COUNTED_RULES } from './defaults.js'

/** A rule that has a rate. */
export type RatedRule = Pick<PolicyRule, 'client' | 'service'>

/** What a client has left of the tickets that a rule grants it. */
export interface RuleUse {
  readonly left: number
  /** How long there is none, in whole milliseconds as it is told to others; 0 if there is. */
  readonly wait: number
}

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
  readonly #counts = new RecentlyUsed<string, Count>(COUNTED_RULES)
  readonly #monotonic: () => number

  /** @param monotonic milliseconds */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /**
   * @param takes whether the ticket is counted
   * @returns how long there is none left for the client, milliseconds; 0 if there is
   */
  wait(client: Principal, rule: RatedRule, rate: RuleRate, takes: boolean): number {
    const now = this.#monotonic()
    const name = nameOf(client, rule)
    const known = this.#current(name, rate, now)
    const share = known ?? { ...rate, count: 0, endsAt: now + rate.interval }
    if (share.count >= rate.points) return share.endsAt - now
    if (!takes) return 0
    share.count += 1
    if (known === undefined) this.#counts.set(name, share)
    return 0
  }

  /** The same, without taking anything. */
  use(client: Principal, rule: RatedRule, rate: RuleRate): RuleUse {
    const now = this.#monotonic()
    const share = this.#current(nameOf(client, rule), rate, now)
    const left = Math.max(0, rate.points - (share?.count ?? 0))
    return { left, wait: share === undefined || left > 0 ? 0 : Math.ceil(share.endsAt - now) }
  }

  #current(name: string, { interval }: RuleRate, now: number): Count | undefined {
    const known = this.#counts.get(name)
    // An administrator may have changed the rate meanwhile.
    return known !== undefined && now < known.endsAt && known.interval === interval ? known : undefined
  }
}

function nameOf(client: Principal, { client: by, service }: RatedRule): string {
  return `${client} ${by} ${service}`
}
