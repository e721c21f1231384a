import type {
  DueKey,
  PasswordReset,
  PasswordWasReset,
  ReplacedKey,
} from '../../shared/administration/keys.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { isReserved, type Principal } from '../../shared/principal.js'
import { planFreshKey } from '../realm/kdc-keys.js'
import { dueOf, keyLife, withOnlyKey } from '../realm/key-changes.js'
import { currentKey, hasPassword } from '../realm/principal-keys.js'
import type { ReportedChange } from '../realm/reported-change.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord, type PrincipalRecord } from '../vault/records.js'
import {
  type AdminContext,
  changeRealm,
  requireDispensable,
  requirePrincipal,
  shortName,
  type Versioned,
  writePrincipal,
} from './context.js'
import { ROTATE } from './feed.js'
import { requireSoundPassword } from './passwords.js'
import { revokeKeys } from './series.js'

/** What administrators do about keys (docs/protocol.md section 12). */

/**
 * Gives krbtgt or kdc a fresh key, which is current at once; asks any other principal for one, which it stages itself.
 * Those of its processes that follow the log are told at once, the others when they ask for what is due.
 * @returns the kvno of the fresh key; null if the holder was asked
 * @throws OrthrusError `malformed` if the principal has no key to change, or a password; `unknown_service`
 */
export async function rotate(context: AdminContext, name: Principal): Promise<number | null> {
  const kvno = await changeRealm<number | null>(context, async now => {
    const stored = await requirePrincipal(context, name)
    return isReserved(name) ? planFreshKey(context.realm, stored, now) : planRequest(stored, now)
  })
  if (kvno === null) context.realm.feed.tell(name, ROTATE)
  return kvno
}

function planRequest({ version, record }: Versioned<PrincipalRecord>, now: number): ReportedChange<null> {
  requireHolder(record)
  // What was asked for before is still due since then, unless the clock was ahead then: nothing is due in the future.
  const rotationAskedAt = Math.min(record.rotationAskedAt ?? now, now)
  return {
    changes: [writePrincipal({ version, record: { ...record, rotationAskedAt, changedAt: now } })],
    effect: 'grants',
    result: null,
    reported: { method: 'rotate', principal: record.name, kvno: null },
  }
}

/** Whether there is a holder that could stage a key. */
function requireHolder(record: PrincipalRecord): void {
  const { name, invitation } = record
  const current = currentKey(record)
  if (invitation !== null) throw malformed(`${name} is an invitation, which ends by itself`)
  if (current === undefined) {
    throw new OrthrusError('malformed', `${name} has no key that it could change`, {
      principal: name,
      hint: `to bring it one, run: orthrus admin invite ${shortName(name)}`,
    })
  }
  if (current.fromPassword) {
    throw new OrthrusError(
      'malformed',
      `the key of ${name} comes from a password, which only people change`,
      {
        principal: name,
        hint: `to set another one, run: orthrus admin reset-password ${shortName(name)}`,
      },
    )
  }
}

/**
 * After a theft: gives the principal a fresh key, which is its only one at once. Everything older is dead: its keys,
 * staged ones and invitations for it included, its tickets, and the tickets for it under those keys.
 * @throws OrthrusError `malformed` for a principal with a password; `not_authorized` for the KDC's own principals and
 * the caller itself; `unknown_service`
 */
export async function replaceKey(context: AdminContext, name: Principal): Promise<ReplacedKey> {
  const short = shortName(name)
  requireDispensable(context, name, 'given another key', {
    ofKdc: `run: orthrus admin rotate ${short}; after a theft: orthrus admin revoke key ${short}`,
    ofOneself: `for routine, run: orthrus keytab refresh FILE; after a theft another administrator runs: orthrus admin rotate ${short} --keytab FILE --admin-keytab OTHER`,
  })
  const key = new LongTermKey(context.realm.random(SIZE.KEY))
  const { kvno, seq } = await revokeKeys(context, 'replace-key', name, (record, now) => {
    if (record.invitation !== null) throw malformed(`${name} is an invitation: make another one`)
    if (!hasPassword(record)) return withOnlyKey(record, key, null, now)
    throw new OrthrusError('malformed', `the key of ${name} comes from a password`, {
      principal: name,
      hint: `to set another one, run: orthrus admin reset-password ${shortName(name)}`,
    })
  })
  return { kvno, key, seq }
}

/**
 * Sets the password of a person who forgot it, or whose password was stolen. Everything older is dead, as in `replaceKey`.
 * @throws OrthrusError `malformed` for unsound parameters, or a principal with a random key; `not_authorized` for the
 * caller itself; `unknown_service`
 */
export function resetPassword(
  context: AdminContext,
  { principal: name, password }: PasswordReset,
): Promise<PasswordWasReset> {
  requireDispensable(context, name, 'given another password', { ofOneself: `run: orthrus passwd ${name}` })
  requireSoundPassword(password)
  return revokeKeys(context, 'reset-password', name, (record, now) => {
    if (hasPassword(record) || record.keys.length === 0) {
      return withOnlyKey(record, password.key, password.parameters, now)
    }
    throw new OrthrusError('malformed', `${name} has a random key, and no password`, {
      principal: name,
      hint: `to give it another key, run: orthrus admin rotate ${shortName(name)} --keytab FILE`,
    })
  })
}

/** How many records are read at a time. */
const PAGE = 256

/**
 * Principals whose current key is due to change, in the order of their names, those after `after`. All records are read
 * once for this, since which of them are due changes by itself as time passes.
 */
export async function due(
  { realm: { vault, time, record: realm } }: AdminContext,
  after: Principal | null,
  limit: number,
): Promise<DueKey[]> {
  const now = time.now()
  const rows: DueKey[] = []
  for (let last: string | null = after; rows.length < limit; ) {
    const page = await vault.list(RECORD_KIND.PRINCIPAL, {
      ...(last === null ? {} : { after: last }),
      limit: PAGE,
    })
    for (const { fields } of page) {
      const record = decodePrincipalRecord(fields)
      const row = dueRow(record, keyLife(realm.rotation, record.name), now)
      if (row !== undefined) rows.push(row)
    }
    last = page.at(-1)?.name ?? null
    if (page.length < PAGE) break
  }
  return rows.slice(0, limit)
}

/** The holder of a principal that gets no tickets cannot change its key. */
function canLogIn({ removed, disabled, expiresAt }: PrincipalRecord, now: number): boolean {
  return !removed && !disabled && (expiresAt === null || now < expiresAt)
}

function dueRow(record: PrincipalRecord, life: number | null, now: number): DueKey | undefined {
  const current = currentKey(record)
  const since = dueOf(record, life)
  if (!canLogIn(record, now) || current === undefined || since === null || since > now) return undefined
  const { name: principal, rotationAskedAt: askedAt } = record
  return { principal, kvno: current.kvno, createdAt: current.createdAt, due: since, askedAt }
}
