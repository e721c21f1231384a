import { SIZE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { type Principal, principalIn, type RealmName } from '../../shared/principal.js'
import { REVOCATION_KEPT } from '../limits/defaults.js'
import { migrateRealm } from '../realm/migrate.js'
import { currentKey } from '../realm/principal-keys.js'
import { readVersionedRealm } from '../realm/realm.js'
import { entryName, type Revocation } from '../realm/revocation-log.js'
import { createMemoryStore } from '../store/memory.js'
import { RECORD_KIND, type RecordKind } from '../store/store.js'
import type { MasterKey } from '../vault/master-key.js'
import {
  decodeFirstRealmRecord,
  decodePrincipalRecord,
  decodeRealmRecord,
  decodeRevocationRecord,
  encodePrincipalRecord,
  encodeRealmRecord,
  encodeRevocationRecord,
  REALM_RECORD_NAME,
  type RealmRecord,
} from '../vault/records.js'
import { openRecord } from '../vault/sealed-records.js'
import { type ListedVaultRecord, Vault, type VaultChange } from '../vault/vault.js'
import { BACKUP_KINDS, type Backup } from './backup-form.js'
import { type EnrolReason, type RestoreOptions, restorePrincipal } from './restored-principal.js'

/** Records that are read or written together. */
const PAGE = 500

export interface Enrolment {
  readonly principal: Principal
  readonly reason: EnrolReason
}

export interface RestoreReport {
  readonly realm: RealmName
  /** When the backup was made, KDC time, milliseconds. */
  readonly time: number
  readonly principals: number
  /** Who has to be enrolled again, as far as the backup tells. */
  readonly enrol: readonly Enrolment[]
  /** Invitations that were open, and are withdrawn. */
  readonly withdrawn: readonly Principal[]
  /** The fresh key of the administrator, if one was asked for. */
  readonly admin: KeytabEntry | undefined
}

export interface RestoreRealmOptions {
  readonly backup: Backup
  readonly masterKey: MasterKey
  /** An empty one. */
  readonly target: Vault
  /** KDC time, milliseconds. */
  readonly now: number
  readonly random: RandomSource
  /** Whether `admin` gets a fresh key, because its keytab is lost. */
  readonly freshAdmin: boolean
}

/**
 * Writes the realm of a backup into an empty vault (docs/protocol.md section 12): under a new log id, with a new series
 * for every principal, kvnos that go on at the number of seconds since 2020, fresh keys of krbtgt and kdc, and an entry
 * in the log for each series that may have tickets.
 * @throws OrthrusError `unavailable` if a record does not open, or was written by a newer version
 */
export async function restoreRealm(options: RestoreRealmOptions): Promise<RestoreReport> {
  const { backup, masterKey, target, now, random, freshAdmin } = options
  const source = await sourceOf(backup, masterKey, random)
  const { realm } = source
  const admin = principalIn(realm.realm, 'admin')
  const writer = new BatchWriter(target)
  await writer.add(
    RECORD_KIND.REALM,
    REALM_RECORD_NAME.REALM,
    encodeRealmRecord({ ...realm, logId: random(SIZE.LOG_ID) }),
  )
  for await (const { name, fields } of source.all(RECORD_KIND.POLICY)) {
    await writer.add(RECORD_KIND.POLICY, name, fields)
  }
  const rekeyed = new Set(freshAdmin ? [admin] : [])
  const restored = await restorePrincipals(source, writer, {
    now,
    random,
    keyLife: realm.rotation.principals,
    rekeyed,
  })
  const keepUntil = now + realm.longestLife + REVOCATION_KEPT
  await restoreLog(source, writer, restored.revoked, { now, keepUntil, random })
  await writer.end()
  const { principals, enrol, withdrawn } = restored
  const { time } = backup.manifest
  return { realm: realm.realm, time, principals, enrol, withdrawn, admin: restored.keys.get(admin) }
}

/** What a backup has, in the present form. */
interface Source {
  readonly realm: RealmRecord
  all(kind: RecordKind): Iterable<ListedVaultRecord> | AsyncIterable<ListedVaultRecord>
}

/** Only the oldest form has to be brought to the present one first; of all others the records are read as they are. */
async function sourceOf(backup: Backup, masterKey: MasterKey, random: RandomSource): Promise<Source> {
  const all = (kind: RecordKind) => openedIn(backup, masterKey, kind)
  for (const { name, fields } of all(RECORD_KIND.REALM)) {
    if (name !== REALM_RECORD_NAME.REALM || decodeFirstRealmRecord(fields) !== undefined) continue
    return { realm: decodeRealmRecord(fields), all }
  }
  const vault = await inMemory(backup, masterKey, random)
  await migrateRealm(vault, random)
  const { record } = await readVersionedRealm(vault)
  return { realm: record, all: kind => allOf(vault, kind) }
}

function* openedIn(
  { records }: Backup,
  masterKey: MasterKey,
  kind: RecordKind,
): Generator<ListedVaultRecord> {
  const keys = { current: masterKey, previous: undefined }
  for (const stored of records.get(kind) ?? []) {
    const { name, version } = stored
    yield { name, version, fields: openRecord(keys, kind, name, stored).fields }
  }
}

/** The records of the backup where they can be changed. */
async function inMemory(backup: Backup, masterKey: MasterKey, random: RandomSource): Promise<Vault> {
  const vault = new Vault(createMemoryStore(), masterKey, random)
  const writer = new BatchWriter(vault)
  for (const kind of BACKUP_KINDS) {
    for (const { name, fields } of openedIn(backup, masterKey, kind)) await writer.add(kind, name, fields)
  }
  await writer.end()
  return vault
}

async function* allOf(vault: Vault, kind: RecordKind): AsyncGenerator<ListedVaultRecord> {
  for (let after = ''; ; ) {
    const page = await vault.list(kind, after === '' ? { limit: PAGE } : { after, limit: PAGE })
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)?.name ?? ''
  }
}

interface RestoredPrincipals {
  readonly principals: number
  readonly revoked: readonly Revocation[]
  readonly enrol: readonly Enrolment[]
  readonly withdrawn: readonly Principal[]
  /** The fresh keys of those that were asked for. */
  readonly keys: ReadonlyMap<Principal, KeytabEntry>
}

async function restorePrincipals(
  source: Source,
  writer: BatchWriter,
  options: RestoreOptions,
): Promise<RestoredPrincipals> {
  let principals = 0
  const revoked: Revocation[] = []
  const enrol: Enrolment[] = []
  const withdrawn: Principal[] = []
  const keys = new Map<Principal, KeytabEntry>()
  for await (const { name, fields } of source.all(RECORD_KIND.PRINCIPAL)) {
    const restored = restorePrincipal(decodePrincipalRecord(fields), options)
    const { record } = restored
    const { name: principal } = record
    if (!record.removed && record.invitation === null) principals++
    if (restored.revoked !== undefined) revoked.push(restored.revoked)
    if (restored.enrol !== undefined) enrol.push({ principal, reason: restored.enrol })
    if (restored.wasOpenInvitation) withdrawn.push(principal)
    const fresh = options.rekeyed.has(principal) ? currentKey(record) : undefined
    if (fresh !== undefined) keys.set(principal, { principal, kvno: fresh.kvno, key: fresh.key })
    await writer.add(RECORD_KIND.PRINCIPAL, name, encodePrincipalRecord(record))
  }
  return { principals, revoked, enrol, withdrawn, keys }
}

/** The entries of the backup, numbered again without gaps, and behind them the new ones. */
async function restoreLog(
  source: Source,
  writer: BatchWriter,
  revoked: readonly Revocation[],
  { now, keepUntil, random }: { now: number; keepUntil: number; random: RandomSource },
): Promise<void> {
  let seq = 0
  for await (const { fields } of source.all(RECORD_KIND.REVOCATION)) {
    const entry = { ...decodeRevocationRecord(fields), seq: ++seq }
    await writer.add(RECORD_KIND.REVOCATION, entryName(seq), encodeRevocationRecord(entry))
  }
  for (const one of revoked) {
    const entry = { ...one, seq: ++seq, mark: random(SIZE.MARK), time: now, keepUntil }
    await writer.add(RECORD_KIND.REVOCATION, entryName(seq), encodeRevocationRecord(entry))
  }
}

/** Writes new records, many in a commit. */
class BatchWriter {
  readonly #vault: Vault
  #changes: VaultChange[] = []

  constructor(vault: Vault) {
    this.#vault = vault
  }

  async add(kind: RecordKind, name: string, fields: VaultChange['fields']): Promise<void> {
    this.#changes.push({ kind, name, expected: 0, fields })
    if (this.#changes.length >= PAGE) await this.end()
  }

  async end(): Promise<void> {
    const changes = this.#changes
    this.#changes = []
    if (changes.length > 0) await this.#vault.commit(changes)
  }
}

/** @throws OrthrusError `unavailable` if the folder has a database */
export function alreadyThere(folder: string): OrthrusError {
  return new OrthrusError('unavailable', `${folder} has a database already, and nothing is written over`, {
    final: true,
    hint: 'name another folder with --data, or move db/ away: it may hold what the backup lacks',
  })
}
