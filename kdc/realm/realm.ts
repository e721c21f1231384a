import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Clock } from '../../shared/time.js'
import { systemTimers, type Timers } from '../../shared/timers.js'
import { Feed } from '../feed/feed.js'
import { surviveEvent } from '../feed/survive-event.js'
import { RefusalMemory } from '../report/refusals.js'
import { RECORD_KIND, type RecordKind } from '../store/store.js'
import { decodeRealmRecord, REALM_RECORD_NAME, type RealmRecord } from '../vault/records.js'
import { requireSharedKeys } from '../vault/shared-keys.js'
import type { Vault } from '../vault/vault.js'
import { Directory } from './directory.js'
import { KdcTime } from './kdc-time.js'
import { LookAgain } from './look-again.js'
import { migrateRealm } from './migrate.js'
import { RealmWriter } from './realm-writer.js'
import { RevocationLog } from './revocation-log.js'
import type { Versioned } from './stored-principal.js'

/** A realm that this process has opened. */
export interface OpenRealm {
  /** As it is at the moment: an administrator can change lifetimes while the KDC runs. */
  readonly record: RealmRecord
  readonly vault: Vault
  readonly directory: Directory
  readonly time: KdcTime
  readonly writer: Pick<RealmWriter, 'change'>
  readonly revocations: RevocationLog
  /** Sends the revocation log to those who follow it. */
  readonly feed: Feed
  /** What was refused lately. Its `listen` must be among the listeners of the report. */
  readonly refusals: RefusalMemory
  readonly random: RandomSource
  /** Looks up what another KDC may have changed a moment ago. `undefined` where no other KDC has the store. */
  readonly lookAgain: LookAgain | undefined
  /** Reads `record` again, as after every change that the vault tells of. @throws OrthrusError `unavailable` */
  refresh(): Promise<void>
  /** Stops watching the vault, which stays open. */
  close(): void
}

export interface OpenRealmOptions {
  readonly vault: Vault
  readonly clock: Clock
  readonly random: RandomSource
  /** Default: the platform's. */
  readonly timers?: Timers
  /** `recordsInMemory` of `Limits`. */
  readonly records?: number
}

/**
 * @throws OrthrusError `unavailable` if the vault has no realm, one of a newer version, or cannot be read, or another KDC
 * that shares the store has other master keys
 */
export async function openRealm(options: OpenRealmOptions): Promise<OpenRealm> {
  const { vault, clock, random, timers = systemTimers, records } = options
  requireSharedKeys(vault.keys, vault.replica)
  await migrateRealm(vault, random)
  let { version, record } = await readVersionedRealm(vault)
  const refresh = async (): Promise<void> => {
    const read = await readVersionedRealm(vault)
    // Readings may overtake each other.
    if (read.version < version) return
    const { survive } = record
    ;({ version, record } = read)
    if (record.survive !== survive) feed.tellAll(surviveEvent(record.survive))
  }
  const time = new KdcTime(clock)
  const directory = new Directory(vault, records)
  const noticeRealm = (kind: RecordKind, name: string | undefined): Promise<void> | undefined => {
    const isRealm =
      kind === RECORD_KIND.REALM && (name ?? REALM_RECORD_NAME.REALM) === REALM_RECORD_NAME.REALM
    return isRealm ? refresh() : undefined
  }
  const revocations = await RevocationLog.open({ vault, random, isSettled: () => time.isSettled })
  const feed = new Feed({ log: revocations, logId: () => record.logId, time, timers })
  const writer = new RealmWriter(vault, time, async (changes, isCertain) => {
    for (const { kind, name } of changes) {
      // The vault has told of what is certain.
      if (!isCertain) directory.noticeChange(kind, name)
      if (!isCertain) revocations.noticeChange(kind)
      // Awaited, so that the next change is planned with the longest life that a ticket may have by then.
      // If it cannot be read, the limits stay until it is changed again: the next change reads it too.
      await noticeRealm(kind, name)?.catch(() => {})
    }
  })
  const unwatch = vault.watch(noticeRealm)
  const lookAgain = vault.replica && new LookAgain({ directory, timers, monotonic: () => time.monotonic() })
  const close = (): void => {
    unwatch()
    feed.close()
    revocations.close()
    directory.close()
  }
  return {
    get record() {
      return record
    },
    vault,
    directory,
    time,
    writer,
    revocations,
    feed,
    refusals: new RefusalMemory(() => time.now()),
    random,
    lookAgain,
    refresh,
    close,
  }
}

/** @throws OrthrusError `unavailable` */
export async function readRealm(vault: Vault): Promise<RealmRecord> {
  return (await readVersionedRealm(vault)).record
}

/** The record, with the version that a change of it must name. @throws OrthrusError `unavailable` */
export async function readVersionedRealm(vault: Vault): Promise<Versioned<RealmRecord>> {
  const stored = await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
  if (stored !== undefined) return { version: stored.version, record: decodeRealmRecord(stored.fields) }
  const wasMoved = (await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.MOVED)) !== undefined
  throw new OrthrusError('unavailable', 'the database has no realm', {
    final: true,
    hint: wasMoved
      ? 'orthrus migrate moved it to another store: start its KDCs with --store or --data of that one'
      : `run: orthrus init REALM${vault.replica === undefined ? '' : ', with the same --store'}`,
  })
}
