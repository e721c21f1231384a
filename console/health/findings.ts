import type { DueKey } from '../../shared/administration/keys.js'
import type { RealmSummary } from '../../shared/administration/realm.js'
import type { FollowerRow, Followers } from '../../shared/administration/revocations.js'
import type { Principal } from '../../shared/principal.js'
import { DAY, formatDuration, MINUTE } from '../../shared/time.js'

/** What of a realm and of its KDC is well and what is not, in the words of `orthrus doctor`: functions of values. */

export interface Finding {
  readonly name: string
  /** `note` is worth knowing, and nothing is wrong. */
  readonly state: 'ok' | 'note' | 'wrong'
  readonly text: string
  /** What to do about it. */
  readonly next?: string
}

function ok(name: string, text: string): Finding {
  return { name, state: 'ok', text }
}

function note(name: string, text: string, next?: string): Finding {
  return next === undefined ? { name, state: 'note', text } : { name, state: 'note', text, next }
}

function wrong(name: string, text: string, next: string): Finding {
  return { name, state: 'wrong', text, next }
}

/** How far apart clocks may be before it is worth a word. */
const APART_NOTED = 1_000

/** @param apart how far the clock of the KDC is ahead of the browser's, milliseconds */
export function clockFinding(apart: number): Finding {
  const size = Math.abs(apart)
  const shown = size < 10_000 ? `${Math.round(size)} ms` : formatDuration(size)
  const text = `the clock of this browser is ${shown} ${apart >= 0 ? 'behind' : 'ahead of'} the KDC's`
  if (size < APART_NOTED) return ok('clock', text)
  return note('clock', `${text}; the page corrects that by itself`, 'set the clock that is wrong')
}

/** @param last the last line that this page saw, and @param now the KDC's time, milliseconds */
export function auditFinding(
  state: 'following' | 'lost' | 'none',
  last: { readonly n: number; readonly at: string } | undefined,
  now: number,
): Finding {
  if (state === 'none')
    return wrong(
      'audit log',
      'this KDC keeps no audit log, or you may not read all of it',
      'start the KDC without --without-audit, or ask an administrator',
    )
  if (state === 'lost')
    return wrong('audit log', 'it cannot be followed while the connection is lost', 'wait until it is back')
  if (last === undefined) return ok('audit log', 'it is followed, and nothing was written since')
  const ago = formatDuration(Math.max(0, now - Date.parse(last.at)))
  return ok('audit log', `it is written: line ${last.n} was the last one, ${ago} ago`)
}

/** As long as a service without an answer accepts tickets (`maxStaleness`), unless the realm is to survive more. */
const STALENESS = 10 * MINUTE

/** Who follows the revocation log. */
export function followersFindings({ rows, keptFor }: Followers, survive: number | null): Finding[] {
  const patience = Math.max(STALENESS, survive ?? 0)
  const connected = rows.filter(row => row.connected)
  const gone = rows.filter(row => !row.connected)
  const behind = connected.filter(row => row.seen < row.sent)
  const findings = doubled(connected).map(({ principal, addresses }) =>
    wrong(
      'followers',
      `${principal} is served from ${addresses.join(' and ')}: each accepts a replay of what another accepted`,
      'give each machine a principal of its own, or share a replay cache: docs/several-processes.md',
    ),
  )
  for (const { principal, address, seen, sent } of behind)
    findings.push(
      note('followers', `${principal} at ${address} has yet to apply ${sent - seen} revocations`, SLOW),
    )
  for (const { principal, address, silentFor } of gone) {
    const text = `${principal} at ${address} was last heard ${formatDuration(silentFor)} ago`
    findings.push(
      silentFor < patience
        ? note('followers', text, REACH)
        : wrong('followers', `${text}: if it still runs, it refuses every ticket by now`, REACH),
    )
  }
  if (keptFor < patience)
    findings.push(
      note('followers', `who followed before this KDC started, ${formatDuration(keptFor)} ago, is not known`),
    )
  return [summaryOfFollowers(connected.length, behind.length), ...findings]
}

const SLOW = 'see whether the service is slow or stuck: its own state.feed'
const REACH = 'see whether the service runs, and reaches the KDC: its log says so'
const HOW_TO_FOLLOW =
  'to have a service refuse within milliseconds, start it with loadService({ keytab, kdc })'

function summaryOfFollowers(connected: number, behind: number): Finding {
  if (connected === 0) return note('followers', 'no service follows what is revoked', HOW_TO_FOLLOW)
  const count = `${connected} ${connected === 1 ? 'service follows' : 'services follow'} what is revoked`
  return ok('followers', behind === 0 ? `${count}, with everything applied` : count)
}

/** Principals that are served from more than one address. */
function doubled(
  rows: readonly FollowerRow[],
): { readonly principal: Principal; readonly addresses: readonly string[] }[] {
  const addresses = new Map<Principal, Set<string>>()
  for (const { principal, address } of rows)
    addresses.set(principal, (addresses.get(principal) ?? new Set()).add(address))
  return [...addresses]
    .filter(([, each]) => each.size > 1)
    .map(([principal, each]) => ({ principal, addresses: [...each] }))
}

/** How long a key may be due before it is wrong. */
const DUE_MAX = 2 * DAY
const REFRESH = "orthrus keytab refresh where the service runs, or rotation: 'automatic' in its options"

export function dueFinding(keys: readonly DueKey[], now: number): Finding {
  const [first] = keys.toSorted((a, b) => a.due - b.due)
  if (first === undefined) return ok('keys', 'no key is due to change')
  const longest = `of ${first.principal}, for ${formatDuration(Math.max(0, now - first.due))}`
  const text =
    keys.length === 1
      ? `one key is due to change: that ${longest}`
      : `${keys.length} keys are due to change, the longest that ${longest}`
  return now - first.due < DUE_MAX ? note('keys', text, REFRESH) : wrong('keys', text, REFRESH)
}

/** A key of the KDC itself. */
export interface OwnKey {
  readonly name: 'krbtgt' | 'kdc'
  readonly kvno: number
  /** When it was made. */
  readonly createdAt: number
}

/** The KDC changes its own keys by a schedule. */
export function ownKeyFinding(
  { name, kvno, createdAt }: OwnKey,
  rotation: RealmSummary['rotation'],
  now: number,
): Finding {
  const life = rotation[name]
  const text = `the key of ${name} has kvno ${kvno} and is ${formatDuration(Math.max(0, now - createdAt))} old`
  if (life === null)
    return note(
      'keys',
      `${text}; the realm sets no age at which it changes`,
      'orthrus admin realm --rotate-krbtgt 30d',
    )
  if (now - createdAt < life + DUE_MAX) return ok('keys', `${text}; it changes after ${formatDuration(life)}`)
  return wrong(
    'keys',
    `${text}, though it should have changed after ${formatDuration(life)}`,
    `orthrus admin rotate ${name} tells why`,
  )
}

/** @param open how many invitations can still be used */
export function invitationsFinding(open: number): Finding {
  if (open === 0) return ok('invitations', 'none is open')
  return note(
    'invitations',
    `${open} ${open === 1 ? 'is' : 'are'} open`,
    'withdraw those that nobody waits for',
  )
}
