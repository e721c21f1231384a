import type { PlainRule } from '../properties/model.js'
import { EVERYBODY, EVERYONE, FLEET, GIVEN_RULES, isOfFleet, KDC, KRBTGT } from './cast.js'

/** What is known of rules, groups and owners, by docs/policy.md and docs/protocol.md sections 7 and 9. */

/** A number of tickets in an interval, milliseconds, which begins with the first of them. */
export interface PlainRate {
  readonly points: number
  readonly interval: number
}

/** A rule for two patterns: a principal, all hosts of a fleet, a group (`@team`) or everyone (`*`). */
export interface FactRule extends PlainRule {
  readonly client: string
  readonly service: string
  readonly effect: 'allow' | 'deny'
  readonly until: number | null
  readonly rate: PlainRate | null
}

const BARE: PlainRule = { delegable: false, claims: [], caveats: [], maxLife: null }
const INVITATION = 'invite-'

export class PolicyFacts {
  readonly #rules = new Map<string, FactRule>()
  readonly #groups = new Map<string, readonly string[]>()
  /** What was changed in this run: rules by their patterns, and members by their names. */
  readonly #changed: { readonly client: string; readonly service: string }[] = []
  readonly #moved = new Set<string>()
  readonly #counts = new Map<string, { readonly endsAt: number; readonly interval: number; count: number }>()

  constructor() {
    for (const [pair, rule] of Object.entries(GIVEN_RULES)) {
      const [client = '', service = ''] = pair.split(' ')
      this.#rules.set(pair, { ...rule, client, service, effect: 'allow', until: null, rate: null })
    }
  }

  set(rule: FactRule): void {
    this.#rules.set(`${rule.client} ${rule.service}`, rule)
    this.#changed.push(rule)
  }

  has(client: string, service: string): boolean {
    return this.#rules.has(`${client} ${service}`)
  }

  forget(client: string, service: string): void {
    this.#rules.delete(`${client} ${service}`)
    this.#changed.push({ client, service })
  }

  groupsOf(name: string): readonly string[] {
    return this.#groups.get(name) ?? []
  }

  move(name: string, group: string, joins: boolean): void {
    const others = this.groupsOf(name).filter(each => each !== group)
    this.#groups.set(name, joins ? [...others, group].sort() : others)
    this.#moved.add(name)
  }

  /** A principal that is removed is in no group any more, nor is one that is made later under its name. */
  removed(name: string): void {
    if (this.groupsOf(name).length > 0) this.#moved.add(name)
    this.#groups.delete(name)
  }

  /** A KDC that starts has counted nothing. */
  restarted(): void {
    this.#counts.clear()
  }

  /** The most specific first. Only its own name names the KDC. */
  #patterns(name: string): readonly string[] {
    if (name === KDC || name === KRBTGT) return [name]
    return [name, ...(isOfFleet(name) ? [FLEET] : []), ...this.groupsOf(name), EVERYONE]
  }

  /** Any denial wins; else the most specific rule decides, by its client first. One that has ended is none. */
  deciding(client: string, service: string, now: number): FactRule | undefined {
    const matching = this.#patterns(client)
      .flatMap(one => this.#patterns(service).map(other => this.#rules.get(`${one} ${other}`)))
      .filter(rule => rule !== undefined)
      .filter(({ until }) => until === null || now < until)
    return matching.some(({ effect }) => effect === 'deny') ? undefined : matching[0]
  }

  /** When rules end that match the client, those that have not ended yet. */
  endsOf(client: string, now: number): number[] {
    const clients = this.#patterns(client)
    return [...this.#rules.values()]
      .filter(rule => clients.includes(rule.client) && rule.until !== null && now < rule.until)
      .flatMap(({ until }) => until ?? [])
  }

  /** What the client may have of these services, by `client service`. */
  rulesOf(client: string, services: readonly string[], now: number): Readonly<Record<string, PlainRule>> {
    const rules: Record<string, PlainRule> = {}
    for (const service of services) {
      const rule = this.deciding(client, service, now)
      if (rule !== undefined) rules[`${client} ${service}`] = rule
      else if (service === KDC && !this.#isDenied(client)) rules[`${client} ${service}`] = BARE
    }
    return rules
  }

  #isDenied(client: string): boolean {
    return this.#patterns(client).some(one => this.#rules.get(`${one} ${KDC}`)?.effect === 'deny')
  }

  /** Whether nothing that decides about the pair was changed in this run. */
  isSteady(client: string, service: string): boolean {
    if (this.#moved.has(client) || this.#moved.has(service)) return false
    const [clients, services] = [this.#patterns(client), this.#patterns(service)]
    return !this.#changed.some(rule => clients.includes(rule.client) && services.includes(rule.service))
  }

  /** Counts a ticket by a rule that has a rate. @returns false if there is none left. @param at monotonic time */
  take(client: string, rule: FactRule, at: number): boolean {
    const { rate } = rule
    if (rate === null) return true
    const name = `${client} ${rule.client} ${rule.service}`
    const known = this.#counts.get(name)
    const isCurrent = known !== undefined && at < known.endsAt && known.interval === rate.interval
    const share = isCurrent ? known : { endsAt: at + rate.interval, interval: rate.interval, count: 0 }
    if (share.count >= rate.points) return false
    share.count++
    this.#counts.set(name, share)
    return true
  }

  /** What the rules of now make the principal the owner of. */
  ownedBy(name: string, now: number): readonly string[] {
    return ownedIn(this.deciding(name, KDC, now)?.claims ?? [])
  }

  /** Whether owning these covers the service, or all that a pattern names: that by the same pattern alone. */
  covers(owned: readonly string[], service: string): boolean {
    if (service === EVERYONE || service === KDC || service === KRBTGT || service.startsWith(INVITATION))
      return false
    if (service.startsWith('@') || service === FLEET) return owned.includes(service)
    return this.#patterns(service).some(one => one !== EVERYONE && owned.includes(one))
  }

  /** Whether every rule that gives the target anything at the KDC gives the owner that too. */
  givesNoMore(target: string, owned: readonly string[], now: number): boolean {
    const patterns = target === FLEET ? [FLEET, EVERYONE] : this.#patterns(target)
    return patterns.every(one => {
      const rule = this.#rules.get(`${one} ${KDC}`)
      if (rule === undefined || rule.effect === 'deny' || (rule.until !== null && now >= rule.until))
        return true
      if (rule.claims.some(([name, value]) => name === 'role' && value === 'admin')) return false
      return ownedIn(rule.claims).every(each => owned.includes(each))
    })
  }
}

/** What the claim `owner` names. */
export function ownedIn(claims: PlainRule['claims']): string[] {
  return claims
    .filter(([name]) => name === 'owner')
    .map(([, value]) => String(value))
    .map(value => (value.includes('@') ? value : `${value}@${REALM}`))
}

const REALM = EVERYBODY[0].split('@')[1]
