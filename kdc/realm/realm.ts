import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Clock } from '../../shared/time.js'
import { RECORD_KIND } from '../store/store.js'
import {
  decodeClockRecord,
  decodeRealmRecord,
  REALM_RECORD_NAME,
  type RealmRecord,
} from '../vault/records.js'
import type { Vault } from '../vault/vault.js'
import { Directory } from './directory.js'
import { KdcTime } from './kdc-time.js'
import { RealmWriter } from './realm-writer.js'
import { RevocationLog } from './revocation-log.js'

/** A realm that this process has opened. */
export interface OpenRealm {
  readonly record: RealmRecord
  readonly vault: Vault
  readonly directory: Directory
  readonly time: KdcTime
  readonly writer: Pick<RealmWriter, 'change'>
  readonly revocations: RevocationLog
  readonly random: RandomSource
  /** Stops watching the vault, which stays open. */
  close(): void
}

export interface OpenRealmOptions {
  readonly vault: Vault
  readonly clock: Clock
  readonly random: RandomSource
}

/** @throws OrthrusError `unavailable` if the vault has no realm or cannot be read */
export async function openRealm({ vault, clock, random }: OpenRealmOptions): Promise<OpenRealm> {
  const record = await readRealm(vault)
  const time = new KdcTime(clock, await readNewestTime(vault))
  const directory = new Directory(vault)
  const writer = new RealmWriter(vault, time)
  const revocations = await RevocationLog.open(vault)
  const unwatch = followTime(vault, time)
  const close = (): void => {
    unwatch()
    directory.close()
  }
  return { record, vault, directory, time, writer, revocations, random, close }
}

/** Follows times that another process stores. If one cannot be read, the next change reads it. */
function followTime(vault: Vault, time: KdcTime): () => void {
  return vault.watch((kind, name) => {
    if (kind !== RECORD_KIND.REALM || name !== REALM_RECORD_NAME.CLOCK) return
    readNewestTime(vault).then(
      newest => time.raise(newest),
      () => {},
    )
  })
}

async function readRealm(vault: Vault): Promise<RealmRecord> {
  const stored = await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
  if (stored !== undefined) return decodeRealmRecord(stored.fields)
  throw new OrthrusError('unavailable', 'the database has no realm', {
    final: true,
    hint: 'run: orthrus init REALM',
  })
}

async function readNewestTime(vault: Vault): Promise<number> {
  const stored = await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.CLOCK)
  return stored === undefined ? 0 : decodeClockRecord(stored.fields).newest
}
