import type { RealmSummary } from '../shared/administration/realm.js'
import type { FollowerRow, Followers } from '../shared/administration/revocations.js'
import { localPart, type Principal } from '../shared/principal.js'
import { MINUTE } from '../shared/time.js'
import { formatDuration, typedDuration } from './arguments.js'
import type { Together } from './terminal.js'

/** What the followers of the revocation log are, in words: pure functions of the KDC's answers. */

/** As long as a service without an answer accepts tickets, unless its owner chose another time (`maxStaleness`). */
const STALENESS = 10 * MINUTE

/** The most names of one sort in a line for people. */
const NAMES_MAX = 20

/**
 * `refused by orders/1, billing; stock was last heard 3 min ago`, and the same as fields.
 * @param revoked principals whose channels ended with the revocation: they may not have been able to answer it
 */
export function describeFollowers(
  { rows, applied, silent: unheard, keptFor }: Followers,
  seq: number,
  revoked: readonly Principal[] = [],
): Together {
  const behind = rows.filter(row => row.seen < seq)
  const told = behind.filter(row => row.sent >= seq && !row.connected && revoked.includes(row.principal))
  const late = behind.filter(row => !told.includes(row))
  const silent = unheard - told.length
  const lateNames = new Set(late.map(({ principal }) => principal))
  const refusing = [...new Set(rows.filter(row => row.seen >= seq).map(({ principal }) => principal))]
  const wholly = refusing.filter(principal => !lateNames.has(principal))
  const parts = [
    refusalOf(wholly, applied - (rows.length - behind.length)) ?? NOBODY,
    ...silenceOf(late, silent - late.length, new Set(refusing)),
    ...told.map(row => `${localPart(row.principal)} itself was told, as its channel ended`),
    ...unknownBefore(keptFor),
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

/** @param unnamed how many more there are that the KDC did not name */
function refusalOf(names: readonly Principal[], unnamed: number): string | undefined {
  const shown = names.slice(0, NAMES_MAX).map(localPart)
  const others = names.length - shown.length + unnamed
  if (others > 0) shown.push(`${others} others`)
  return shown.length === 0 ? undefined : `refused by ${shown.join(', ')}`
}

const NOBODY = 'no service is known to refuse it by now'

/** @param partly principals of which another follower refuses by now, so that the address tells which is meant */
function silenceOf(rows: readonly FollowerRow[], unnamed: number, partly: ReadonlySet<Principal>): string[] {
  const shown = rows.slice(0, NAMES_MAX).map(({ principal, address, silentFor }) => {
    const place = partly.has(principal) ? ` at ${address}` : ''
    return `${localPart(principal)}${place} was last heard ${ago(silentFor)}`
  })
  const others = rows.length - shown.length + unnamed
  return others > 0 ? [...shown, `${others} others have not said that they refuse it`] : shown
}

function unknownBefore(keptFor: number): string[] {
  return keptFor < STALENESS ? [`who followed before this KDC started, ${ago(keptFor)}, is not known`] : []
}

function ago(milliseconds: number): string {
  return `${formatDuration(milliseconds)} ago`
}

/** What holds where no service follows. */
export function describeNoFollowers({ keptFor }: Followers, { maxServiceLife }: RealmSummary): Together {
  const parts = [
    `no service follows this KDC, so services accept tickets in hand until these end, at most ${typedDuration(maxServiceLife)} from now`,
    ...unknownBefore(keptFor),
    'to have one refuse within milliseconds, start it with loadService({ keytab, kdc })',
  ]
  return { fields: { refusedBy: [], silent: [], knownFor: keptFor }, text: parts.join('; ') }
}
