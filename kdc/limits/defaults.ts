import { DAY, HOUR, MINUTE, SECOND } from '../../shared/time.js'

/** Tuning and defaults, none of them part of the protocol: they may differ between KDCs. */

/** How long tickets live unless told otherwise, milliseconds. */
export const LIFETIME = { TGT: 10 * HOUR, SERVICE: HOUR, RENEW: 7 * DAY } as const

/** How old the keys of the KDC's own principals get, milliseconds (section 12). */
export const KDC_KEYS_LIFE = 30 * DAY

/** How often the KDC looks whether keys of its own are due to change or to be erased, milliseconds. */
export const KEY_SCHEDULE_INTERVAL = 10 * MINUTE

/** How many old keys of krbtgt or kdc may be in use at a time: they are searched for each ticket. */
export const KDC_OLD_KEYS_MAX = 400

/** Bounds on what an administrator may set for a realm, milliseconds. */
export const REALM_BOUNDS = {
  LIFE_MIN: MINUTE,
  LIFE_MAX: 366 * DAY,
  KEY_AGE_MIN: DAY,
  CENTURY: 36_525 * DAY,
  /** The longest outage that clients can be made to survive: their tickets then live half as long again. */
  SURVIVE_MAX: 30 * DAY,
} as const

/** The share of a ticket's life by which it may be shortened at random, so that renewals spread. */
export const SHORTENING = 0.1

/**
 * How many records are kept in memory, if nothing else is set: with another number of principals that of the rest
 * changes alike, but for TGTs. Names known not to exist are kept apart, so asking for them evicts no record.
 * Followers of the revocation log ask in turn: with more of them than places, each would find its own evicted.
 */
export const CACHE = { PRINCIPALS: 50_000, RULES: 10_000, ABSENT: 50_000, TGTS: 4_096 } as const

/** How long a rule is shown after its end, before it is cleared away, milliseconds. */
export const RULES_KEPT = DAY

/** The most outdated rules that one change clears away. */
export const RULES_CLEARED = 32

/** Bounds on the rate of a rule. Intervals in milliseconds. */
export const RULE_RATE_BOUNDS = { INTERVAL_MIN: SECOND, INTERVAL_MAX: HOUR, POINTS_MAX: 1_000_000 } as const

/**
 * Of how many pairs of a client and a rule with a rate the tickets are counted. Beyond that, the pair that got none for
 * longest is forgotten.
 */
export const COUNTED_RULES = 100_000

/** How many groups a principal is in: with each, more rules are looked up for its tickets and for those for it. */
export const GROUPS_OF_PRINCIPAL = 16

/** The shortest life of its tickets for `kdc@realm` that an administrator may set for itself, milliseconds. */
export const ADMINISTRATION_LIFE_MIN = MINUTE

/** How many times an exchange decides again because a record that it had read was changed meanwhile. */
export const DECISION_ATTEMPTS = 10

/**
 * How many times a change is tried while others keep changing the same record first. Each KDC makes one change at a time,
 * so of three that all revoke, one in three tries is the first.
 */
export const COMMIT_ATTEMPTS = 20

/**
 * How long after a look-up of a name for a kvno that is not known the next one begins, milliseconds: anybody can ask for
 * any kvno.
 */
export const LOOK_AGAIN_INTERVAL = SECOND / 10

/** How much longer an entry of the revocation log is kept than what it revokes can live, milliseconds (section 10). */
export const REVOCATION_KEPT = 10 * MINUTE

/** How many of the newest entries of the revocation log are always kept (section 10). */
export const REVOCATIONS_KEPT = 10_000

/** The most outdated entries of the revocation log that one change clears away. */
export const REVOCATIONS_CLEARED = 8

/**
 * How the revocation log is sent to its followers. Entries have about 100 bytes, so a follower that does not read has
 * some 10 KB waiting for it, until its channel is ended.
 */
export const FEED = {
  /** Entries that are read, kept and sent together. */
  PAGE: 64,
  /** Pages kept in memory: more entries than the log always has. */
  PAGES: 256,
  /** Followers that are served before others get their turn. */
  TURN: 64,
  /** How long the operating system may take for one page, milliseconds. */
  STUCK: 30 * SECOND,
} as const

/**
 * Entries of the revocation log that are sent for about the work of one call. A follower without a place in the log is
 * sent all of it: of 10,000 entries 48 times a minute by the default limit, which takes a fifth of one processor.
 */
export const ENTRIES_PER_CALL = 8

/** What is known of the followers of the revocation log. */
export const FOLLOWERS = {
  /** Followers of one principal. Beyond, the channel of the oldest is ended. */
  OF_PRINCIPAL: 128,
  /** Principals that followed and left of which something is kept. */
  PRINCIPALS_KEPT: 10_000,
  /** Addresses kept of each. */
  ADDRESSES_KEPT: 8,
  /** For how long, milliseconds. */
  KEPT: DAY,
} as const

/** What is remembered of refusals, so that their ids can be asked about. */
export const REFUSALS_KEPT = {
  /** Clients that proved their key. */
  CLIENTS: 2_000,
  PER_CLIENT: 16,
  /** Of all together that proved nothing. */
  UNPROVED: 1_000,
} as const

/** Pages of the audit log, of 16 MiB each, that one client may have gone through for the id of a refusal. */
export const LOG_SEARCHES: Rate = { points: 30, interval: MINUTE }

/** The same of all clients together: some 2 % of a processor. Administrators are not counted. */
export const ALL_LOG_SEARCHES: Rate = { points: 120, interval: MINUTE }

/** How far back from its end the audit log is gone through for who is no administrator, bytes. */
export const LOG_SEARCH_REACH = 128 * 2 ** 20

/** How long after its end an invitation is answered with how it ended, milliseconds (section 12). */
export const INVITATION_ANSWERED = DAY

/**
 * How many keys of one invitation wait for their first login. Beyond, the oldest is dropped: each is a principal that
 * the holder of the code can make.
 */
export const INVITED_KEYS = 1_000

/** How long an invitation by the owner of a service is good for at most, milliseconds. */
export const OWNER_INVITATION_MAX = DAY

/** The most outdated invitations that one change clears away. */
export const INVITATIONS_CLEARED = 8

/** The largest message that the KDC takes in a channel, bytes: a policy of some thousand rules is applied at once. */
export const CHANNEL_MESSAGE_BYTES = 1024 * 1024

/** The largest message that the KDC takes from a non-administrator, bytes. */
export const PUBLIC_MESSAGE_BYTES = 1024

/**
 * The room that the disk must have left, bytes. LevelDB needs up to three times its log of 4 MiB to open again, and the
 * rest is time for somebody to come: a change takes about a kilobyte.
 */
export const DISK_ROOM = 64 * 2 ** 20

/** How many requests there may be in an interval. */
export interface Rate {
  readonly points: number
  /** Milliseconds. */
  readonly interval: number
}

/**
 * Counters in each of the 6 rows of a `CountSketch`, by what is counted: 22.5 MiB in all, of which the system hands out
 * only the pages that were used. A name that shares all 6 counters with others that are full looks full itself.
 *
 * One process answers fewer than 20,000 failed logins a second, whatever number of addresses they come from. In a
 * minute these fill 40,000 pairs of address and name (30 each): 26 % of the counters in a row, so 3 in 10,000 other
 * pairs look full. In an hour they fill 72,000 names (1,000 each): 24 %, 2 in 10,000. In a minute they fill 400
 * addresses (3,000 each), or 4,000 with PARAMS requests (300 each): 11 %, 2 in a million. Failures that do not fill a
 * counter leave next to nothing: 20,000 a second spread over a row raise each counter of a name 275 times an hour, and
 * it drains 1,000.
 */
export const COUNTERS = { PAIRS: 2 ** 17, NAMES: 2 ** 18, NETWORKS: 2 ** 15 } as const

/**
 * Refusals logged per address or client. Anyone can provoke refusals for ever and the log's disk is finite, so the rest
 * are dropped (lines have some 200 bytes: about 30 MB a day per address).
 */
export const REFUSALS_LOGGED: Rate = { points: 100, interval: MINUTE }

/**
 * Refusals logged of all addresses together, with the lines that say what was omitted: at most about 1.5 GB a day of each
 * level. Whoever has thousands of addresses has thousands of quotas.
 */
export const ALL_REFUSALS_LOGGED: Rate = { points: 5_000, interval: MINUTE }

/**
 * Tickets logged per client, those issued and those denied each by themselves: about 110 MB a day of each. Its limit of
 * requests alone would let one client write 100 lines a second for each service that it names in a request.
 */
export const TICKETS_LOGGED: Rate = { points: 300, interval: MINUTE }

/**
 * Tickets in the audit log per client, with its channels: at most about 600 MB a day. Old files of the log are removed as
 * new ones come, so without a limit a client could push what it did before out of the log within hours.
 */
export const TICKETS_AUDITED: Rate = { points: 1_200, interval: MINUTE }

/** How much of the audit log is kept: for how long, milliseconds, and how many bytes. */
export const DEFAULT_AUDIT = { maxAge: 90 * DAY, maxBytes: 2 * 2 ** 30 } as const

/** The least that may be set. */
export const AUDIT_BOUNDS = { MAX_AGE_MIN: DAY, MAX_BYTES_MIN: 2 ** 20 } as const

/** Events that wait for the audit log's disk: some 20 MB. Beyond, they are counted and dropped. */
export const AUDIT_BACKLOG = 50_000

/** Leaps of the KDC's own clock that are logged: a clock may go on leaping. */
export const LEAPS_LOGGED: Rate = { points: 3, interval: MINUTE }

/** What one KDC process accepts: numbers of connections and requests. Times in milliseconds, sizes in bytes. */
export interface Limits {
  /**
   * Connections in all. Beyond, the oldest unproved one of the address that has the most makes room. At most three
   * quarters can be proved ones; beyond, the client that has the most makes room.
   */
  readonly connections: number
  /**
   * Connections from one address over which nobody has proved a key yet. Beyond, the oldest of these is closed. An IPv6
   * address counts by its /64, with twice this share by its /56 and four times by its /48.
   */
  readonly connectionsPerAddress: number
  /** Connections over which one client has proved its key. Beyond, the oldest of these is closed. */
  readonly connectionsPerClient: number
  /** How long a handshake may take. */
  readonly handshake: number
  /** Requests of one connection that are answered at the same time. Beyond, nothing more is read from it. */
  readonly concurrency: number
  /** Channels of one connection. */
  readonly channels: number
  /** How often a connection is pinged. It is cut if it sends nothing until the next ping. */
  readonly ping: number
  /** How long a connection may be without a request before it is closed. */
  readonly idle: number
  /** How long closing waits for requests that are under way. */
  readonly drain: number
  /**
   * AS requests as one name from one address that prove no key. Beyond that they are `rate_limited`, and so is a right
   * password there. A right random key is never refused.
   */
  readonly failedLogins: Rate
  /**
   * The same from one address, whatever the name. An IPv6 address counts by its /64, with twice this share by its /56
   * and four times by its /48. Beyond that, its AS requests take turns with everything else that the KDC does.
   */
  readonly failedLoginsPerAddress: Rate
  /** The same as one name, from anywhere. */
  readonly failedLoginsPerName: Rate
  /** PARAMS requests from one address. */
  readonly params: Rate
  /**
   * Requests of one client with a right MAC and time. AS requests have this limit to themselves; TGS requests, openings
   * of channels and calls in channels share another one of the same size. A request that is repeated counts once.
   */
  readonly requestsPerClient: Rate
  /**
   * What the followers of one client say about the revocation log, and each 8 entries that they are sent when they begin
   * to follow. It is counted apart, so that a busy client goes on hearing what is revoked.
   */
  readonly feedCallsPerClient: Rate
  /**
   * Keys that one client stages or sets, and hosts that one code for a fleet enrols. Each is a change of the realm, a
   * line in the log and, of a fleet, a name that is kept for ever.
   */
  readonly keyChangesPerClient: Rate
  /**
   * What one owner of services changes or reads as that. Each is a line or two in the audit log, of at most 16 KiB and
   * mostly half of one, and none may be left out: so one too many is refused. By default less than a gigabyte a day
   * comes of it in any case, and mostly some 30 MB.
   */
  readonly actsPerOwner: Rate
  /** Repeats from one address of requests that somebody proved, whoever it was. */
  readonly repeats: Rate
  /**
   * Principals whose records are kept in memory, a kilobyte each, as many names that do not exist, and the rules of a
   * fifth as many pairs. Beyond, the one that was not asked for the longest is forgotten, and read again when it is asked
   * for.
   */
  readonly recordsInMemory: number
}

export const DEFAULT_LIMITS: Limits = {
  connections: 4096,
  connectionsPerAddress: 512,
  connectionsPerClient: 512,
  handshake: 10 * SECOND,
  concurrency: 64,
  channels: 16,
  ping: 30 * SECOND,
  idle: 10 * MINUTE,
  drain: 5 * SECOND,
  failedLogins: { points: 30, interval: MINUTE },
  failedLoginsPerAddress: { points: 3_000, interval: MINUTE },
  failedLoginsPerName: { points: 1_000, interval: HOUR },
  params: { points: 300, interval: MINUTE },
  requestsPerClient: { points: 6_000, interval: MINUTE },
  feedCallsPerClient: { points: 60_000, interval: MINUTE },
  keyChangesPerClient: { points: 600, interval: HOUR },
  actsPerOwner: { points: 1_200, interval: HOUR },
  repeats: { points: 600, interval: MINUTE },
  recordsInMemory: CACHE.PRINCIPALS,
}
