import type { RuleRate } from '../../shared/administration/rule.js'
import { WINDOW } from '../../shared/constants.js'
import { type RandomSource, systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { SECOND, systemClock } from '../../shared/time.js'
import { ClientCounts } from './client-counts.js'
import {
  ALL_LOG_SEARCHES,
  COUNTERS,
  ENTRIES_PER_CALL,
  type Limits,
  LOG_SEARCHES,
  type Rate,
} from './defaults.js'
import { FailedLogins, type GuessLimits } from './failed-logins.js'
import type { Sighting } from './mac-table.js'
import { NetworkCounts, type Reached } from './network-counts.js'
import { type RatedRule, RuleRates, type RuleUse } from './rule-rates.js'
import { SeenRequests } from './seen-requests.js'
import { Turns } from './turns.js'

/** Limits what one address or client may ask. Every `require...` throws OrthrusError `rate_limited`. */
export interface RateLimits {
  /**
   * Called before an AS request is checked.
   * @returns what it must wait for, if too many from its address failed
   */
  turnOf(address: string): Promise<void> | undefined
  /**
   * Resolves when a request that is refused as one too many may be answered. Until then it holds its place in its
   * connection, so who asks too much is read no faster than others leave the time for.
   * @param source whose limit it is: a client, or an address
   */
  turnOfRefused(source: string): Promise<void>
  /**
   * Called after an AS request that proved no key.
   * @returns the refusal if too many failed before, the same for every name, whether it exists or not
   */
  countFailedLogin(address: string, name: Principal): OrthrusError | undefined
  /** Called after a right password. Too many guesses nearby make it count as wrong (`FailedLogins`). */
  requirePasswordLogin(address: string, name: Principal): void
  /**
   * Called after a password login that is fresh and not a repeat: from now on the guesses of others count less there.
   */
  knowPasswordLogin(address: string, name: Principal): void
  requireParams(address: string): void
  /**
   * Whether a proved request was seen before. One that is not fresh may have been, but is refused in any case.
   * @param now KDC time, milliseconds
   */
  see(client: Principal, request: ProvedRequest, now: number): Sighting | 'stale'
  /** For a request that was not seen before, or a call in a channel. */
  requireClient(client: Principal): void
  /** For what a follower of the revocation log says, which takes nothing from the client's other requests. */
  requireFeedCall(client: Principal): void
  /** For entries of the log that a follower is sent because it begins to follow: `ENTRIES_PER_CALL` count as one call. */
  countFeedEntries(client: Principal, entries: number): void
  /** The same for AS requests, which therefore take nothing from the holders of tickets. */
  requireClientLogin(client: Principal): void
  /** For a key that a client stages or sets. It counts as a request too. */
  requireKeyChange(client: Principal): void
  /** For what the owner of a service changes or reads as that. It counts as a request too. */
  requireOwnerAct(owner: Principal): void
  /**
   * For a ticket that a rule with a rate grants.
   * @param takes whether it is counted; a repeated request needs room for its ticket, but takes none of it
   */
  requireRule(client: Principal, rule: RatedRule, rate: RuleRate, takes: boolean): void
  /** What `requireRule` would decide by. Nothing is counted. */
  ruleUse(client: Principal, rule: RatedRule, rate: RuleRate): RuleUse
  /** For a page of the audit log that is gone through for a client, which counts for all clients together too. */
  requireLogSearch(client: Principal): void
  /** For a request that was seen before: the sender of a repeat need not be its client. */
  requireRepeat(address: string): void
}

/** Of a request whose MAC is right. */
export interface ProvedRequest {
  readonly mac: Uint8Array
  /** Its stamp, milliseconds. */
  readonly time: number
}

/** Told of each request that a limit refuses. */
export type OnLimited = (
  limit:
    | keyof GuessLimits
    | 'params'
    | 'requestsPerClient'
    | 'feedCallsPerClient'
    | 'keyChangesPerClient'
    | 'actsPerOwner'
    | 'repeats'
    | 'rule'
    | 'logSearches',
) => void

/** Limits counted in this process. @param monotonic milliseconds */
export function createRateLimits(
  limits: GuessLimits &
    Pick<
      Limits,
      | 'params'
      | 'requestsPerClient'
      | 'feedCallsPerClient'
      | 'keyChangesPerClient'
      | 'actsPerOwner'
      | 'repeats'
    >,
  monotonic: () => number = () => systemClock.monotonic(),
  random: RandomSource = systemRandom,
  onLimited: OnLimited = () => {},
): RateLimits {
  const turns = new Turns()
  const failed = new FailedLogins(limits, monotonic, random)
  const networks = { counters: COUNTERS.NETWORKS, monotonic, random }
  const params = new NetworkCounts(limits.params, networks)
  const repeats = new NetworkCounts(limits.repeats, networks)
  const clients = new ClientLimit(limits.requestsPerClient, monotonic, () => onLimited('requestsPerClient'))
  const logins = new ClientLimit(limits.requestsPerClient, monotonic, () => onLimited('requestsPerClient'))
  const feedCalls = new ClientLimit(limits.feedCallsPerClient, monotonic, () =>
    onLimited('feedCallsPerClient'),
  )
  const keyChanges = new ClientLimit(limits.keyChangesPerClient, monotonic, () =>
    onLimited('keyChangesPerClient'),
  )
  const ownerActs = new ClientLimit(limits.actsPerOwner, monotonic, () => onLimited('actsPerOwner'))
  const searches = new ClientLimit(LOG_SEARCHES, monotonic, () => onLimited('logSearches'))
  const allSearches = new ClientLimit(ALL_LOG_SEARCHES, monotonic, () => onLimited('logSearches'))
  const rules = new RuleRates(monotonic)
  const seen = new SeenRequests(random)
  // As many requests of one client are remembered as it may send, so that no client can fill the memory for all.
  const remembered = new ClientCounts(limits.requestsPerClient, monotonic)
  return {
    turnOf: address => (failed.isCrowded(address) ? turns.wait(address) : undefined),
    turnOfRefused: source => turns.wait(source),
    countFailedLogin: (address, name) => {
      const reached = failed.count(address, name)
      if (reached !== undefined) onLimited(reached.limit)
      return refusalOf('failed logins', reached)
    },
    // What it refuses counts as a failed login afterwards, which `onLimited` is told of.
    requirePasswordLogin: (address, name) => refuse('failed logins', failed.refusalOf(address, name)),
    knowPasswordLogin: (address, name) => failed.knowPlace(address, name),
    requireParams: address => refuse('PARAMS requests', params.count(address), () => onLimited('params')),
    see: (client, { mac, time }, now) => {
      if (Math.abs(time - now) > WINDOW.KDC_SKEW) return 'stale'
      const share = remembered.at(client)
      const sighting = seen.see(mac, time, share.count < limits.requestsPerClient.points)
      if (sighting === 'new') share.count += 1
      return sighting
    },
    requireClient: client => clients.require('requests', client),
    requireKeyChange: client => keyChanges.require('new keys', client),
    requireOwnerAct: owner => ownerActs.require('acts of administration', owner),
    requireFeedCall: client => feedCalls.require('calls about the feed', client),
    countFeedEntries: (client, entries) => feedCalls.count(client, Math.ceil(entries / ENTRIES_PER_CALL)),
    requireClientLogin: client => logins.require('AS requests', client),
    requireRule: (client, rule, rate, takes) => {
      const left = rules.wait(client, rule, rate, takes)
      if (left <= 0) return
      onLimited('rule')
      throw limitedByRule(client, rule, left)
    },
    ruleUse: (client, rule, rate) => rules.use(client, rule, rate),
    requireLogSearch: client => {
      searches.require('searches of the audit log', client)
      allSearches.require('searches of the audit log', EVERYBODY)
    },
    requireRepeat: address => refuse('repeated requests', repeats.count(address), () => onLimited('repeats')),
  }
}

/** In place of a client, where all are counted together. */
const EVERYBODY = 'all clients' as string as Principal

const nothing = (): undefined => undefined

/** For embedders and tests that count in another way. */
export const NO_RATE_LIMITS: RateLimits = {
  turnOf: nothing,
  turnOfRefused: () => Promise.resolve(),
  countFailedLogin: nothing,
  requirePasswordLogin: nothing,
  knowPasswordLogin: nothing,
  requireParams: nothing,
  see: (_client, { time }, now) => (Math.abs(time - now) > WINDOW.KDC_SKEW ? 'stale' : 'new'),
  requireClient: nothing,
  requireKeyChange: nothing,
  requireOwnerAct: nothing,
  requireFeedCall: nothing,
  countFeedEntries: nothing,
  requireClientLogin: nothing,
  requireRule: nothing,
  ruleUse: (_client, _rule, { points }) => ({ left: points, wait: 0 }),
  requireLogSearch: nothing,
  requireRepeat: nothing,
}

class ClientLimit {
  readonly #points: number
  readonly #counts: ClientCounts
  readonly #onLimited: () => void

  constructor(rate: Rate, monotonic: () => number, onLimited: () => void) {
    this.#onLimited = onLimited
    this.#points = rate.points
    this.#counts = new ClientCounts(rate, monotonic)
  }

  require(what: string, client: Principal): void {
    const share = this.#counts.at(client)
    if (share.count >= this.#points) {
      this.#onLimited()
      throw limited(`${what} from ${client}`, this.#counts.left(share))
    }
    share.count += 1
  }

  /** Counts what cannot be refused any more, so that less is left for the rest of the interval. */
  count(client: Principal, points: number): void {
    this.#counts.at(client).count += points
  }
}

function refuse(what: string, reached: Reached | undefined, onLimited = () => {}): void {
  const refusal = refusalOf(what, reached)
  if (refusal === undefined) return
  onLimited()
  throw refusal
}

function refusalOf(what: string, reached: Reached | undefined): OrthrusError | undefined {
  return reached && limited(`${what} ${reached.what}`, reached.left)
}

/** @param left how long the client must wait, milliseconds */
export function limitedByRule(client: Principal, rule: RatedRule, left: number): OrthrusError {
  return limited(`tickets for ${client} by the rule ${rule.client} -> ${rule.service}`, left)
}

function limited(what: string, left: number): OrthrusError {
  const hint = `again in ${Math.ceil(left / SECOND)} s`
  return new OrthrusError('rate_limited', `too many ${what}`, { hint, retryAfter: left })
}
