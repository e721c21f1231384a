import { InvalidArgumentError, Option } from 'commander'
import type { Revocations } from '../client/channel/revocations.js'
import { FOLLOWERS_WAIT_MAX, type FollowerRow, type Followers } from '../shared/administration/revocations.js'
import { OrthrusError } from '../shared/errors.js'
import { localPart, type Principal } from '../shared/principal.js'
import { MINUTE, SECOND } from '../shared/time.js'
import { formatDuration, parseDuration } from './arguments.js'
import { note, type Terminal, type Together } from './terminal.js'

/** Which services refuse what was revoked by now, and which of them were not heard of. */

export interface WaitOptions {
  readonly wait: number
  readonly json?: boolean
}

/** `--wait`, for every command that revokes. */
export function waitOption(): Option {
  return new Option(
    '--wait <time>',
    'how long to wait for the services that follow, to say which refuse by now',
  )
    .argParser(parseWait)
    .default(5 * SECOND, '5s')
}

function parseWait(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds <= FOLLOWERS_WAIT_MAX) return milliseconds
  throw new InvalidArgumentError(`Wait at most ${FOLLOWERS_WAIT_MAX / SECOND}s.`)
}

/** As long as a service without an answer accepts tickets, unless its owner chose another time (`maxStaleness`). */
const STALENESS = 10 * MINUTE

/** The most names of one sort in a line for people. */
const NAMES_MAX = 20

/**
 * Asks who has applied an entry of the revocation log. What was revoked stays so if that cannot be found out, so it is
 * no failure then.
 * @param seq of the last entry that the command made
 */
export async function tellRefusedBy(
  terminal: Terminal,
  revocations: Revocations,
  seq: number,
  { wait, json }: WaitOptions,
): Promise<Together | undefined> {
  try {
    return describeFollowers(await revocations.followers({ seq, wait }), seq)
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    note(
      terminal,
      { json: json === true },
      `it is revoked; which services refuse it by now is not known: ${cause.message}`,
    )
    return undefined
  }
}

/** `refused by orders/1, billing; stock was last heard 3 min ago`, and the same as fields. */
export function describeFollowers({ rows, applied, silent, keptFor }: Followers, seq: number): Together {
  const late = rows.filter(row => row.seen < seq)
  const lateNames = new Set(late.map(({ principal }) => principal))
  const refusing = [...new Set(rows.filter(row => row.seen >= seq).map(({ principal }) => principal))]
  const wholly = refusing.filter(principal => !lateNames.has(principal))
  const parts = [
    refusalOf(wholly, applied - (rows.length - late.length)) ?? nobody(silent),
    ...silenceOf(late, silent - late.length, new Set(refusing)),
    ...(keptFor < STALENESS ? [`who followed before this KDC started, ${ago(keptFor)}, is not known`] : []),
  ]
  return {
    fields: {
      refusedBy: wholly,
      silent: late.map(({ principal, address, connected, silentFor }) => ({
        principal,
        address,
        connected,
        silentFor,
      })),
      ...(rows.length < applied + silent ? { refusedByInAll: applied, silentInAll: silent } : {}),
      knownFor: keptFor,
    },
    text: parts.join('; '),
  }
}

/** @param unnamed how many more there are that the KDC did not name */
function refusalOf(names: readonly Principal[], unnamed: number): string | undefined {
  const shown = names.slice(0, NAMES_MAX).map(localPart)
  const others = names.length - shown.length + unnamed
  if (others > 0) shown.push(`${others} others`)
  return shown.length === 0 ? undefined : `refused by ${shown.join(', ')}`
}

/** When nobody refuses by now. */
function nobody(silent: number): string {
  if (silent > 0) return 'no service is known to refuse it by now'
  return 'no service follows the revocation log: each accepts a ticket in hand to its end'
}

/** @param partly principals of which another follower refuses by now, so that the address tells which is meant */
function silenceOf(rows: readonly FollowerRow[], unnamed: number, partly: ReadonlySet<Principal>): string[] {
  const shown = rows.slice(0, NAMES_MAX).map(({ principal, address, silentFor }) => {
    const place = partly.has(principal) ? ` at ${address}` : ''
    return `${localPart(principal)}${place} was last heard ${ago(silentFor)}`
  })
  const others = rows.length - shown.length + unnamed
  return others > 0 ? [...shown, `${others} others have not said that they refuse it`] : shown
}

function ago(milliseconds: number): string {
  return `${formatDuration(milliseconds)} ago`
}
