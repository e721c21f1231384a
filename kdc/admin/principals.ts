import type {
  AddedPrincipal,
  NewPrincipal,
  PrincipalSummary,
} from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { isInvitation, isReserved, type Principal } from '../../shared/principal.js'
import { newPrincipal, tombstoneOf } from '../realm/principal.js'
import { currentKey, hasPassword } from '../realm/principal-keys.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord, type PrincipalRecord } from '../vault/records.js'
import {
  type AdminContext,
  changeRealm,
  readPrincipal,
  requireDispensable,
  requireOwnRealm,
  requirePrincipal,
  shortName,
  writePrincipal,
} from './context.js'
import { requireSoundPassword } from './passwords.js'
import { revokeSeries } from './series.js'

/** The methods for principals. Their changes are durable and in force when they resolve. */

/**
 * @throws OrthrusError `malformed` if the principal exists already, is reserved or of another realm, has unsound
 * password parameters, or would have expired already
 */
export async function add(context: AdminContext, added: NewPrincipal): Promise<AddedPrincipal> {
  const { principal: name, password } = added
  const { random } = context.realm
  requireOwnRealm(context, name)
  if (isReserved(name)) throw malformed(`${name} belongs to the KDC`)
  if (password !== null) requireSoundPassword(password)
  if (isInvitation(name)) throw malformed(`${name} is a name for invitations: run: orthrus admin invite NAME`)
  const key = password?.key ?? new LongTermKey(random(SIZE.KEY))
  return changeRealm(context, async now => {
    const found = await readPrincipal(context, name)
    requireFree(found?.record, name)
    requireFuture(added.expiresAt, now)
    const { expiresAt, maxLife, maxRenew } = added
    const creation = {
      name,
      key,
      password: password?.parameters ?? null,
      tombstone: found?.record,
      now,
      random,
    }
    const record = newPrincipal({ ...creation, expiresAt, maxLife, maxRenew })
    const changes = [writePrincipal({ version: found?.version ?? 0, record })]
    const kvno = record.lastKvno
    const passwordBased = password !== null
    return {
      changes,
      effect: 'grants',
      result: { kvno, key: passwordBased ? null : key },
      reported: { method: 'add', principal: name, kvno, passwordBased, expiresAt, maxLife, maxRenew },
    }
  })
}

function requireFree(record: PrincipalRecord | undefined, name: Principal): void {
  if (record === undefined || record.removed) return
  throw new OrthrusError('malformed', `${name} exists already`, {
    principal: name,
    hint: `run: orthrus admin show ${shortName(name)}`,
  })
}

function requireFuture(expiresAt: number | null, now: number): void {
  if (expiresAt !== null && expiresAt <= now) throw malformed('the principal would have expired already')
}

export async function show(context: AdminContext, name: Principal): Promise<PrincipalSummary> {
  return summaryOf((await requirePrincipal(context, name)).record)
}

/** Principals in the order of their names, those after `after`. */
export async function list(
  { realm: { vault } }: AdminContext,
  after: Principal | null,
  limit: number,
): Promise<PrincipalSummary[]> {
  const rows: PrincipalSummary[] = []
  for (let last: string | null = after; rows.length < limit; ) {
    const page = await vault.list(RECORD_KIND.PRINCIPAL, { ...(last === null ? {} : { after: last }), limit })
    const records = page.map(({ fields }) => decodePrincipalRecord(fields))
    rows.push(...records.filter(isListed).map(summaryOf))
    last = page.at(-1)?.name ?? null
    if (page.length < limit) break
  }
  return rows.slice(0, limit)
}

/** `invitations` lists the others. */
function isListed({ removed, invitation }: PrincipalRecord): boolean {
  return !removed && invitation === null
}

function summaryOf(record: PrincipalRecord): PrincipalSummary {
  const { name, keys, disabled, expiresAt, maxLife, maxRenew, createdAt, changedAt, groups } = record
  const kvnos = keys.map(({ kvno }) => kvno)
  const passwordBased = hasPassword(record)
  return {
    principal: name,
    kvnos,
    keyCreatedAt: currentKey(record)?.createdAt ?? null,
    passwordBased,
    disabled,
    expiresAt,
    maxLife,
    maxRenew,
    createdAt,
    changedAt,
    groups,
  }
}

/**
 * The principal gets no more tickets, nor does anyone get one for it, and those that it has are revoked.
 * @returns the number of the entry in the revocation log
 * @throws OrthrusError `not_authorized`
 */
export async function disable(context: AdminContext, name: Principal): Promise<number> {
  requireDispensable(context, name, 'disabled')
  return revokeSeries(context, 'disable', name, record => ({ ...record, disabled: true }))
}

/** The principal may log in again. Tickets from before it was disabled stay revoked. */
export async function enable(context: AdminContext, name: Principal): Promise<void> {
  await changeRealm(context, async now => {
    const { version, record } = await requirePrincipal(context, name)
    const changes = [writePrincipal({ version, record: { ...record, disabled: false, changedAt: now } })]
    return { changes, effect: 'grants', result: undefined, reported: { method: 'enable', principal: name } }
  })
}

/**
 * Rules that name the principal stay: they apply to the name.
 * @returns the number of the entry in the revocation log
 * @throws OrthrusError `not_authorized`
 */
export async function remove(context: AdminContext, name: Principal): Promise<number> {
  requireDispensable(context, name, 'removed')
  return revokeSeries(context, 'remove', name, tombstoneOf)
}
