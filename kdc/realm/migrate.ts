import { SIZE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { RECORD_KIND } from '../store/store.js'
import {
  decodeFirstRealmRecord,
  decodeFirstRevocationRecord,
  decodeRealmRecord,
  encodeRealmRecord,
  encodeRevocationRecord,
  firstSeriesOf,
  REALM_RECORD_NAME,
} from '../vault/records.js'
import { SCHEMA } from '../vault/schema.js'
import type { ListedVaultRecord, Vault, VaultChange, VaultRecord } from '../vault/vault.js'
import { DEFAULT_ROTATION } from './create-realm.js'

/**
 * Brings a database of the last version to the present form, in one commit. That version revoked by times: it stored
 * the newest one, which is deleted; the entries of its log named a principal, and now name the series of tickets that
 * it had. Principals are read in either form, and written in the present one when they change
 * (`vault/principal-forms.ts`). A record of the realm of a form between is written in the present one.
 */
export async function migrateRealm(vault: Vault, random: RandomSource): Promise<void> {
  const stored = await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
  const first = stored && decodeFirstRealmRecord(stored.fields)
  if (stored === undefined) return
  if (first === undefined) return raiseForm(vault, stored)
  const fields = encodeRealmRecord({
    ...first,
    rotation: DEFAULT_ROTATION,
    survive: null,
    logId: random(SIZE.LOG_ID),
  })
  const realm = { kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.REALM, expected: stored.version, fields }
  await vault.commit([realm, ...(await deleteClock(vault)), ...(await convertLog(vault, random))])
}

/** From now on an earlier program refuses the database at its start, and not at the first record of a later form. */
async function raiseForm(vault: Vault, { version, fields }: VaultRecord): Promise<void> {
  const record = decodeRealmRecord(fields)
  if (fields[0] === SCHEMA) return
  const name = REALM_RECORD_NAME.REALM
  await vault.commit([
    { kind: RECORD_KIND.REALM, name, expected: version, fields: encodeRealmRecord(record) },
  ])
}

async function deleteClock(vault: Vault): Promise<VaultChange[]> {
  const name = REALM_RECORD_NAME.CLOCK
  const clock = await vault.read(RECORD_KIND.REALM, name)
  if (clock === undefined) return []
  return [{ kind: RECORD_KIND.REALM, name, expected: clock.version, fields: undefined }]
}

/** That version wrote an entry whenever a principal was disabled or removed, and cleared all that were outdated. */
async function convertLog(vault: Vault, random: RandomSource): Promise<VaultChange[]> {
  const entries = await vault.list(RECORD_KIND.REVOCATION, { limit: Number.MAX_SAFE_INTEGER })
  return Promise.all(entries.map(entry => convertEntry(vault, random, entry)))
}

async function convertEntry(
  vault: Vault,
  random: RandomSource,
  { name, version, fields }: ListedVaultRecord,
): Promise<VaultChange> {
  const { seq, principal, time, keepUntil } = decodeFirstRevocationRecord(fields)
  const record = await vault.read(RECORD_KIND.PRINCIPAL, principal)
  const by = (record && firstSeriesOf(record.fields)) ?? random(SIZE.CLIENT_ID)
  const mark = random(SIZE.MARK)
  const converted = encodeRevocationRecord({ seq, mark, kind: 'client', principal, by, time, keepUntil })
  return { kind: RECORD_KIND.REVOCATION, name, expected: version, fields: converted }
}
