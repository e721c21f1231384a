import { DEFAULT_LIMITS, type Limits, type Rate } from '../../kdc/limits/defaults.js'
import { writeDuration } from '../../shared/administration/policy-text.js'
import { DAY, parseDuration, SECOND } from '../../shared/time.js'
import { kindOf } from './written.js'

/** The limits of the KDC as an operator writes them, with what each protects. */

export type LimitName = keyof Limits

interface LimitFacts {
  /** A number of things, a time as `10s`, or a number of things in a time as `30/1m`. */
  readonly kind: 'count' | 'time' | 'rate'
  /** What is limited, and what becomes of the one too many. */
  readonly means: string
  readonly protects: string
}

/** The compiler refuses this list if a limit is missing. */
export const LIMITS: { readonly [Name in LimitName]: LimitFacts } = {
  connections: {
    kind: 'count',
    means:
      'Connections that are open. Three quarters at most are for those that proved a key. One too many takes the place of the oldest unproved one of the address that has the most.',
    protects: 'memory, and the files that a process may have open (`ulimit -n`)',
  },
  connectionsPerAddress: {
    kind: 'count',
    means:
      'Connections from one address over which nobody has proved a key. One too many takes the place of the oldest of these. An IPv6 address counts by its /64, with twice this by its /56 and four times by its /48.',
    protects: 'the connections of others from an address that opens many and says nothing',
  },
  connectionsPerClient: {
    kind: 'count',
    means:
      'Connections over which one client has proved its key. One too many takes the place of the oldest of these.',
    protects: 'the connections of others from a client whose key was stolen, or that never closes',
  },
  handshake: {
    kind: 'time',
    means: 'How long a handshake may take, and with TLS each of the two.',
    protects: 'connections from those that begin and never go on',
  },
  concurrency: {
    kind: 'count',
    means:
      'Requests of one connection that are answered at the same time. Beyond, nothing more is read from it.',
    protects: 'memory, and other connections from one that asks without waiting',
  },
  channels: {
    kind: 'count',
    means: 'Channels of one connection.',
    protects: 'memory',
  },
  ping: {
    kind: 'time',
    means: 'How often a connection is pinged. It is cut if nothing came from it until the next ping.',
    protects: 'connections from machines that are gone',
  },
  idle: {
    kind: 'time',
    means: 'How long a connection may be without a request and without a channel.',
    protects: 'connections from those that need none',
  },
  drain: {
    kind: 'time',
    means: 'How long the end of the KDC waits for requests that are under way.',
    protects: 'the end from those who never take their answers',
  },
  failedLogins: {
    kind: 'rate',
    means:
      'AS requests as one name from one address that prove no key. Beyond, they are `rate_limited`, and so is a right password there. A right random key is never refused.',
    protects: 'passwords from being guessed over the network',
  },
  failedLoginsPerAddress: {
    kind: 'rate',
    means:
      'The same from one address, whatever the name; IPv6 as for `connections-per-address`. Beyond, its AS requests take turns with everything else that the KDC does.',
    protects: 'passwords from guesses at many names, and the processor from a flood of them',
  },
  failedLoginsPerName: {
    kind: 'rate',
    means: 'The same as one name, from anywhere.',
    protects: 'a password from guesses that come from many addresses',
  },
  params: {
    kind: 'rate',
    means: 'Requests from one address for the salt of a password.',
    protects: 'the processor, and names from being tried out in bulk',
  },
  requestsPerClient: {
    kind: 'rate',
    means:
      'Requests of one client that prove its key. AS requests have this to themselves; TGS requests, openings of channels and calls share as much again. A request that is repeated counts once.',
    protects: 'the processor from a client that asks in a loop',
  },
  feedCallsPerClient: {
    kind: 'rate',
    means:
      'What the followers of one client say about the log of what was revoked, and each 8 entries that they are sent when they begin.',
    protects:
      'the processor from followers that begin again in a loop; a busy client goes on hearing what is revoked',
  },
  keyChangesPerClient: {
    kind: 'rate',
    means: 'Keys that one client stages or sets, and hosts that one code for a fleet enrols.',
    protects: 'the disk, and the log, from changes without end',
  },
  actsPerOwner: {
    kind: 'rate',
    means:
      'What one owner of services changes or reads as that: each is a line or two in the audit log. Administrators have no such limit.',
    protects: 'the traces of others in the audit log, from an owner who would push them out of it',
  },
  repeats: {
    kind: 'rate',
    means: 'Repeats from one address of requests that somebody proved, whoever it was.',
    protects: 'the processor from an eavesdropper who sends what it heard again and again',
  },
  recordsInMemory: {
    kind: 'count',
    means:
      'Principals whose records are kept in memory; also as many names that do not exist, and the rules of a fifth as many pairs. One too many takes the place of the one that was not asked for the longest, which is read from the database when it is asked for again.',
    protects: 'memory: about a kilobyte for each record',
  },
}

export const LIMIT_NAMES = Object.keys(LIMITS) as readonly LimitName[]

/** `failedLogins` as it is written in the file: `failed-logins`. */
export function keyOfLimit(name: LimitName): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

const COUNT_MAX = 999_999_999
/** Each is a file that the process has open, of which Linux lets one process have about a million. */
const CONNECTIONS_MAX = 999_999
const TIME_MAX = 7 * DAY

/** What is wrong with a limit, for people. */
export class WrongLimit extends Error {}

/**
 * @param written a whole number or a text, as TOML has them and the environment has texts
 * @throws WrongLimit for anything else, and for what is out of range
 */
export function limitFrom(name: LimitName, written: unknown): number | Rate {
  const { kind } = LIMITS[name]
  if (kind === 'count') return countFrom(written, name === 'connections' ? CONNECTIONS_MAX : COUNT_MAX)
  if (typeof written !== 'string')
    throw new WrongLimit(`is a text as ${example(kind)}, not ${kindOf(written)}`)
  if (kind === 'time') return timeFrom(written)
  const [, points = '', interval = ''] = /^([^/]*)\/(.*)$/.exec(written) ?? []
  if (interval === '') throw new WrongLimit(`is a number in a time, as ${example(kind)}`)
  return { points: countFrom(points, COUNT_MAX), interval: timeFrom(interval) }
}

function example(kind: 'time' | 'rate'): string {
  return kind === 'time' ? '"10s", "5m", "1h" or "1d"' : '"30/1m"'
}

function countFrom(written: unknown, max: number): number {
  const count = typeof written === 'string' && /^[1-9][0-9]{0,15}$/.test(written) ? Number(written) : written
  if (typeof count !== 'number' || !Number.isInteger(count))
    throw new WrongLimit(`is a whole number, not ${kindOf(written)}`)
  if (count < 1 || count > max) throw new WrongLimit(`is a whole number from 1 to ${max}, not ${count}`)
  return count
}

function timeFrom(text: string): number {
  const time = parseDuration(text)
  if (time === undefined) throw new WrongLimit(`has a time as ${example('time')}, not ${kindOf(text)}`)
  if (time < SECOND || time > TIME_MAX)
    throw new WrongLimit(`has a time from 1s to ${writeDuration(TIME_MAX)}, not ${kindOf(text)}`)
  return time
}

/** As it is written: a number, `10s`, `30/1m`. */
export function limitText(limit: number | Rate, { kind }: LimitFacts): string | number {
  if (typeof limit === 'object') return `${limit.points}/${writeDuration(limit.interval)}`
  return kind === 'time' ? writeDuration(limit) : limit
}

export function defaultLimitText(name: LimitName): string | number {
  return limitText(DEFAULT_LIMITS[name], LIMITS[name])
}
