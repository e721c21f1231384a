import { localPart, type Principal } from '../principal.js'
import { formatDuration, MINUTE } from '../time.js'
import { writeDuration } from './policy-text.js'
import type { FollowerRow, Followers } from './revocations.js'

/** What the followers of the revocation log are, in words: pure functions of the KDC's answers. */

/** As long as a service without an answer accepts tickets, unless the realm is to survive more (`maxStaleness`). */
const STALENESS = 10 * MINUTE

/** The most names of one sort in a line for people. */
const NAMES_MAX = 20

export interface RevokedNames {
  /** Principals whose own channels ended with the revocation: they may not have been able to answer it. */
  readonly revoked?: readonly Principal[]
  /** The principal that was given a new key, under which alone it can follow again. */
  readonly renewed?: Principal | undefined
  /** Given if nobody but these follows: the longest life of a ticket for a service, milliseconds. */
  readonly maxServiceLife?: number | undefined
  /** How long an outage the realm is to survive, milliseconds; null for none. */
  readonly survive?: number | null
}

/** Who refuses by now what was revoked: in a line, and as fields of an answer in JSON. */
export interface FollowersText {
  readonly text: string
  readonly fields: object
}

/** `refused by orders/1, billing; stock was last heard 3 min ago`, and the same as fields. */
export function describeFollowers(
  { rows, applied, silent: unheard, keptFor }: Followers,
  seq: number,
  { revoked = [], renewed, maxServiceLife, survive = null }: RevokedNames = {},
): FollowersText {
  const behind = rows.filter(row => row.seen < seq)
  const left = behind.filter(row => !row.connected && revoked.includes(row.principal))
  const told = left.filter(row => row.sent >= seq)
  const late = behind.filter(row => !told.includes(row))
  // It had left before: if its key was revoked then, it was told that, and nobody can ask it now.
  const keyless = left.filter(row => row.principal === renewed && !told.includes(row))
  const silent = unheard - told.length
  const lateNames = new Set(late.map(({ principal }) => principal))
  const refusing = [...new Set(rows.filter(row => row.seen >= seq).map(({ principal }) => principal))]
  const wholly = refusing.filter(principal => !lateNames.has(principal))
  const parts = [
    refusalOf(wholly, applied - (rows.length - behind.length)) ??
      (maxServiceLife === undefined ? NOBODY : nobodyElse(rows.length > 0, maxServiceLife)),
    ...silenceOf(
      late.filter(row => !keyless.includes(row)),
      silent - late.length,
      new Set(refusing),
    ),
    ...keyless.map(
      row =>
        `${localPart(row.principal)} itself left ${ago(row.silentFor)}, and follows again once it has its new key`,
    ),
    ...told.map(row => `${localPart(row.principal)} itself was told, as its channel ended`),
    ...(keptFor < Math.max(STALENESS, survive ?? 0)
      ? [`who followed before this KDC started, ${ago(keptFor)}, is not known`]
      : []),
    ...(rows.length === 0 ? [HOW_TO_FOLLOW] : []),
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
      ...(told.length === 0 ? {} : { told: told.map(({ principal }) => principal) }),
      ...(rows.length < applied + unheard ? { refusedByInAll: applied, silentInAll: silent } : {}),
      knownFor: keptFor,
    },
    text: parts.join('; '),
  }
}

const NOBODY = 'no service is known to refuse it by now'
const HOW_TO_FOLLOW = 'to have one refuse within milliseconds, start it with loadService({ keytab, kdc })'

/** What holds where no service follows, or none but the one that is revoked. */
function nobodyElse(some: boolean, maxServiceLife: number): string {
  const follows = some ? 'no other service follows this KDC' : 'no service follows this KDC'
  return `${follows}, so services accept tickets in hand until these end, at most ${writeDuration(maxServiceLife)} from now`
}

/** @param unnamed how many more there are that the KDC did not name */
function refusalOf(names: readonly Principal[], unnamed: number): string | undefined {
  const shown = names.slice(0, NAMES_MAX).map(localPart)
  const others = names.length - shown.length + unnamed
  if (others > 0) shown.push(`${others} others`)
  return shown.length === 0 ? undefined : `refused by ${shown.join(', ')}`
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
