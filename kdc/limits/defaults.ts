import { DAY, HOUR, MINUTE, SECOND } from '../../shared/time.js'

/** Tuning and defaults: what may differ from one KDC to the next without the protocol noticing. */

/** How long tickets live unless told otherwise, milliseconds. */
export const LIFETIME = { TGT: 10 * HOUR, SERVICE: HOUR, RENEW: 7 * DAY } as const

/** The share of a ticket's life by which it may be shortened at random, so that renewals spread. */
export const SHORTENING = 0.1

/** How many records are kept in memory; those known not to exist stand apart, so that asking for them evicts none. */
export const CACHE = { PRINCIPALS: 10_000, RULES: 10_000, ABSENT: 50_000, TGTS: 4_096 } as const

/** How often a change is decided anew because somebody else changed the same record first. */
export const COMMIT_ATTEMPTS = 5

/** An entry of the revocation log outlives by this what it revokes (docs/protocol.md section 10). */
export const REVOCATION_KEPT = 10 * MINUTE

/** How many outdated entries of the revocation log one change clears away at the most. */
export const REVOCATIONS_CLEARED = 8

/** The largest message that the KDC takes in a channel, bytes. */
export const CHANNEL_MESSAGE_BYTES = 64 * 1024

/** How far ahead of KDC time a cut-off lies, milliseconds; logins are then dated behind it. */
export const CUT_OFF_AHEAD = 2 * MINUTE

/** The largest message that the KDC takes of who is no administrator, bytes. */
export const PUBLIC_MESSAGE_BYTES = 1024

/** So many requests within so many milliseconds. */
export interface Rate {
  readonly points: number
  readonly interval: number
}

/**
 * Refusals that are logged of one address or client: all guesses at keys, which stop at as many (`failedLogins`), and
 * no more, as anybody can be refused without end, and the disk that the log is on ends. Lines have some 200 bytes, so
 * an address comes to 30 MB a day.
 */
export const REFUSALS_LOGGED: Rate = { points: 100, interval: MINUTE }

/** What one KDC process bears: numbers of connections and requests; times in milliseconds, sizes in bytes. */
export interface Limits {
  /** Connections in all, and from one address (an IPv6 address counts by its first 64 bits). */
  readonly connections: number
  readonly connectionsPerAddress: number
  /** How long a handshake may take. */
  readonly handshake: number
  /** Requests of one connection that are answered at the same time; reading stops while there are as many. */
  readonly concurrency: number
  /** Channels of one connection. */
  readonly channels: number
  /** How often a connection is pinged; one that answers neither this nor anything else is cut. */
  readonly ping: number
  /** A connection without a request for so long is closed. */
  readonly idle: number
  /** How long closing waits for what is under way. */
  readonly drain: number
  /**
   * AS requests from one address that fail to prove a key, and those not looked at yet, as each counts until it has
   * proved one; beyond, AS requests from there are `rate_limited`.
   */
  readonly failedLogins: Rate
  /** PARAMS requests from one address. */
  readonly params: Rate
  /**
   * Requests of one client whose MAC and clock are right: as many AS requests, and apart from them as many TGS
   * requests, openings of channels and calls in these.
   */
  readonly requestsPerClient: Rate
}

export const DEFAULT_LIMITS: Limits = {
  connections: 4096,
  connectionsPerAddress: 512,
  handshake: 10 * SECOND,
  concurrency: 64,
  channels: 16,
  ping: 30 * SECOND,
  idle: 10 * MINUTE,
  drain: 5 * SECOND,
  failedLogins: { points: 100, interval: MINUTE },
  params: { points: 300, interval: MINUTE },
  requestsPerClient: { points: 6_000, interval: MINUTE },
}
