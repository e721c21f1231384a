import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newPrincipal } from '../../../kdc/realm/principal.js'
import { writePrincipal } from '../../../kdc/realm/stored-principal.js'
import { openLevelStore } from '../../../kdc/store/level/store.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { BackupStream } from '../../../kdc/upkeep/backup-stream.js'
import { decodeBackup } from '../../../kdc/upkeep/decode-backup.js'
import { restoreRealm } from '../../../kdc/upkeep/restore.js'
import { decodePrincipalRecord, type PrincipalRecord } from '../../../kdc/vault/records.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { concatBytes } from '../../../shared/bytes.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { local, START, type TestRealm, testRealm } from '../../support/realm.js'

/** A backup on LevelDB while changes are committed as fast as it takes them: it is of one moment. */

const slow = process.env.ORTHRUS_SLOW === '1'
const BACKUPS = slow ? 40 : 3
const BETWEEN = slow ? 5_000 : 500
/** The first and the last principal in a backup, and one in the middle: each commit writes the same into all. */
const TOGETHER = ['a', 'm', 'z'].map(local)

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-load-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function principal(name: string): PrincipalRecord {
  return newPrincipal({
    name: local(name),
    key: new LongTermKey(systemRandom(32)),
    now: START,
    random: systemRandom,
  })
}

/** Writes 1, 2, 3, ... into the three at once, until it is stopped. */
function changing({ vault }: TestRealm, records: readonly PrincipalRecord[]) {
  const state = { committed: 0, isOver: false }
  const ended = (async () => {
    while (!state.isOver) {
      const n = state.committed + 1
      await vault.commit(
        records.map(record => writePrincipal({ version: n, record: { ...record, maxLife: n } })),
      )
      state.committed = n
    }
  })().finally(() => {
    state.isOver = true
  })
  return { state, ended }
}

/** To who receives it slowly: changes are committed between any two pieces. */
async function backupOf(
  { vault }: TestRealm,
  state: { committed: number; isOver: boolean },
): Promise<Uint8Array> {
  const stream = await BackupStream.begin(vault, START)
  const pieces: Uint8Array[] = []
  try {
    for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
      pieces.push(piece)
      const before = state.committed
      while (state.committed === before && !state.isOver) await setImmediate()
    }
  } finally {
    await stream.close()
  }
  return concatBytes(...pieces)
}

/** What the three have once the backup is restored. */
async function restored(bytes: Uint8Array, { masterKey }: TestRealm): Promise<(number | null)[]> {
  const target = new Vault(createMemoryStore(), masterKey, systemRandom)
  const backup = decodeBackup('it', bytes, masterKey)
  await restoreRealm({ backup, masterKey, target, now: START, random: systemRandom, freshAdmin: false })
  const found = await Promise.all(TOGETHER.map(name => target.read('principal', name)))
  return found.map(record => decodePrincipalRecord(record?.fields ?? []).maxLife)
}

describe('a backup under load', () => {
  it('has of each commit all or nothing, and of later ones nothing', { timeout: 300_000 }, async () => {
    const store = await openLevelStore(join(folder, 'db'), { create: true })
    const realm = await testRealm({ store })
    const between = Array.from({ length: BETWEEN }, (_, i) => principal(`between/${i}`))
    const together = ['a', 'm', 'z'].map(principal)
    await realm.vault.commit([...between, ...together].map(record => writePrincipal({ version: 0, record })))
    const { state, ended } = changing(realm, together)
    let meanwhile = 0
    for (let i = 0; i < BACKUPS; i++) {
      const before = state.committed
      const bytes = await backupOf(realm, state)
      const after = state.committed
      const [first, ...others] = await restored(bytes, realm)
      expect(others).toEqual([first, first])
      expect(first ?? 0).toBeGreaterThanOrEqual(before)
      expect(first ?? 0).toBeLessThan(after)
      meanwhile += after - before
    }
    state.isOver = true
    await ended
    await store.close()
    console.log(`${BACKUPS} backups, ${meanwhile} commits during them`)
    expect(meanwhile).toBeGreaterThanOrEqual(2 * BACKUPS)
  })
})
