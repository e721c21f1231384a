import type { DueKey } from '../../shared/administration/keys.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { isReserved, type Principal } from '../../shared/principal.js'
import { planFreshKey } from '../realm/kdc-keys.js'
import { dueOf, keyLife } from '../realm/key-changes.js'
import { currentKey } from '../realm/principal-keys.js'
import type { ReportedChange } from '../realm/reported-change.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord, type PrincipalRecord } from '../vault/records.js'
import {
  type AdminContext,
  changeRealm,
  requirePrincipal,
  shortName,
  type Versioned,
  writePrincipal,
} from './context.js'
import { requireAdministrator } from './lockout.js'

/** What administrators do about keys (docs/protocol.md section 12). */

/**
 * Gives krbtgt or kdc a fresh key, which is current at once; asks any other principal for one, which it stages itself.
 * @returns the kvno of the fresh key; null if the holder was asked
 * @throws OrthrusError `malformed` if the principal has no key to change, or a password; `unknown_service`
 */
export function rotate(context: AdminContext, name: Principal): Promise<number | null> {
  return changeRealm(context, async now => {
    await requireAdministrator(context)
    const stored = await requirePrincipal(context, name)
    return isReserved(name) ? planFreshKey(context.realm, stored, now) : planRequest(stored, now)
  })
}

function planRequest({ version, record }: Versioned<PrincipalRecord>, now: number): ReportedChange<null> {
  requireHolder(record)
  // What was asked for before is still due since then.
  const rotationAskedAt = record.rotationAskedAt ?? now
  return {
    changes: [writePrincipal({ version, record: { ...record, rotationAskedAt, changedAt: now } })],
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

/** How many records are read at a time. */
const PAGE = 256

/** Principals whose current key is due to change, in the order of their names, those after `after`. */
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

function dueRow(record: PrincipalRecord, life: number | null, now: number): DueKey | undefined {
  const current = currentKey(record)
  const since = dueOf(record, life)
  if (record.removed || current === undefined || since === null || since > now) return undefined
  const { name: principal, rotationAskedAt: askedAt } = record
  return { principal, kvno: current.kvno, createdAt: current.createdAt, due: since, askedAt }
}
