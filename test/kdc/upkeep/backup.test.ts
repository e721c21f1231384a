import { afterEach, describe, expect, it } from 'vitest'
import { newPrincipal } from '../../../kdc/realm/principal.js'
import { writePrincipal } from '../../../kdc/realm/stored-principal.js'
import { snapshotOf } from '../../../kdc/upkeep/backup-records.js'
import { BackupStream } from '../../../kdc/upkeep/backup-stream.js'
import { checkRealm } from '../../../kdc/upkeep/check.js'
import { decodeBackup } from '../../../kdc/upkeep/decode-backup.js'
import { HeldBackup } from '../../../kdc/upkeep/held-backup.js'
import { ReceivedBackup } from '../../../kdc/upkeep/received-backup.js'
import { MasterKey } from '../../../kdc/vault/master-key.js'
import { decodePrincipalRecord } from '../../../kdc/vault/records.js'
import { openRecord } from '../../../kdc/vault/sealed-records.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { concatBytes } from '../../../shared/bytes.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { local, REALM, START, type TestRealm, testRealm } from '../../support/realm.js'
import { feedScene, TestFollower } from '../feed/following.js'

const streams: BackupStream[] = []

afterEach(async () => {
  for (const stream of streams.splice(0)) await stream.close()
})

async function begin(vault: Vault): Promise<BackupStream> {
  const stream = await BackupStream.begin(vault, START)
  streams.push(stream)
  return stream
}

/** All in one commit. */
async function addMany({ vault }: TestRealm, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => {
    const key = new LongTermKey(systemRandom(32))
    return newPrincipal({ name: local(`host/${i}`), key, now: START, random: systemRandom })
  })
  await vault.commit(records.map(record => writePrincipal({ version: 0, record })))
}

async function rest(stream: BackupStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (;;) {
    const piece = await stream.next()
    if (piece === undefined) return concatBytes(...pieces)
    pieces.push(piece)
  }
}

async function backupOf({ vault }: TestRealm): Promise<Uint8Array> {
  const stream = await begin(vault)
  try {
    return await rest(stream)
  } finally {
    await stream.close()
  }
}

const altered = { code: 'unavailable', reason: expect.stringContaining('cut off or changed') }

function thrownBy(act: () => unknown): unknown {
  try {
    return act()
  } catch (cause) {
    return cause
  }
}

describe('a backup', () => {
  it('has every record as it is stored, and says what it is of', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.allow('web', 'orders')
    await realm.call('revoke-client', [local('web')])
    const { manifest, records } = decodeBackup('it', await backupOf(realm), realm.masterKey)
    expect(manifest).toMatchObject({
      realm: REALM,
      time: START,
      version: expect.stringMatching(/^\d+\.\d+\./),
    })
    expect(manifest.logId).toEqual(realm.realm.record.logId)
    for (const kind of ['realm', 'principal', 'policy', 'revocation'] as const) {
      expect(records.get(kind)).toEqual(await realm.store.list(kind, { limit: 100 }))
    }
    expect(records.get('principal')).toHaveLength(4)
  })

  it('shows the moment at which it began, over many pieces, whatever is changed meanwhile', async () => {
    const realm = await testRealm()
    await addMany(realm, 500)
    const before = await realm.store.list('principal', { limit: 2_000 })
    const stream = await begin(realm.vault)
    const first = await stream.next()
    await realm.call('remove', [local('host/499')])
    await realm.call('disable', [local('host/1')])
    await realm.add('later')
    const bytes = concatBytes(first ?? new Uint8Array(), await rest(stream))
    expect(first?.length).toBeLessThan(bytes.length)
    expect(decodeBackup('it', bytes, realm.masterKey).records.get('principal')).toEqual(before)
  })

  it('passes a channel in messages that the other side takes, however large the realm is', async () => {
    const realm = await feedScene()
    await addMany(realm, 1_000)
    const administrator = await TestFollower.open(realm, realm.admin)
    const pieces: Uint8Array[] = []
    for (let position = 0; ; ) {
      const [piece] = (await administrator.call('backup', position)) as [Uint8Array]
      if (piece.length === 0) break
      pieces.push(piece)
      position += piece.length
    }
    expect(pieces.length).toBeGreaterThan(2)
    const { records } = decodeBackup('it', concatBytes(...pieces), realm.masterKey)
    expect(records.get('principal')).toHaveLength(1_003)
  })

  it('is refused if any byte of it is changed, missing, added, or of another backup', async () => {
    const realm = await testRealm()
    const whole = await backupOf(realm)
    const step = process.env.ORTHRUS_SLOW === '1' ? 1 : 7
    for (let at = 19; at < whole.length; at += step) {
      const changed = whole.slice()
      changed[at] = (changed[at] as number) ^ (1 << (at % 8))
      const cause = thrownBy(() => decodeBackup('it', changed, realm.masterKey))
      // What is flipped in the MAC looks like another key.
      if (at < whole.length - 32) expect(cause).toMatchObject(altered)
      else expect(cause).toMatchObject({ code: 'unavailable', reason: expect.stringContaining('master key') })
      expect(thrownBy(() => decodeBackup('it', whole.subarray(0, at), realm.masterKey))).toMatchObject(
        altered,
      )
    }
    await realm.call('enable', [local('admin')])
    await realm.call('rotate', [local('kdc')])
    const other = await backupOf(realm)
    const mixed = concatBytes(whole.subarray(0, 600), other.subarray(600))
    for (const bytes of [mixed, concatBytes(whole, new Uint8Array(1)), concatBytes(whole, other)]) {
      expect(thrownBy(() => decodeBackup('it', bytes, realm.masterKey))).toMatchObject(altered)
    }
    expect(thrownBy(() => decodeBackup('it', whole.subarray(3), realm.masterKey))).toMatchObject({
      reason: 'it is no backup of a realm',
    })
  })

  it('is refused under another master key, which it names, and in a form that is newer', async () => {
    const realm = await testRealm()
    const whole = await backupOf(realm)
    const wrong = new MasterKey(systemRandom(32))
    expect(thrownBy(() => decodeBackup('it', whole, wrong))).toMatchObject({
      reason: expect.stringMatching(
        /^it was made under the master key [0-9a-f]{16}, and this is the master key [0-9a-f]{16}$/,
      ),
    })
    const text = Buffer.from(whole).toString('latin1').replace('backup 1', 'backup 2')
    expect(thrownBy(() => decodeBackup('it', Buffer.from(text, 'latin1'), realm.masterKey))).toMatchObject({
      reason: 'it is a backup of form 2, and this version reads form 1',
    })
  })

  it('is not made of a record that does not open', async () => {
    const realm = await testRealm()
    const stored = await realm.store.get('principal', local('admin'))
    const value = (stored?.value ?? new Uint8Array()).slice()
    value[30] = (value[30] as number) ^ 1
    await realm.store.commit([{ kind: 'principal', name: local('admin'), expected: 1, value }])
    await expect(backupOf(realm)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is under one key, also while records are still under the key before', async () => {
    const realm = await testRealm()
    const next = new MasterKey(systemRandom(32))
    const both = new Vault(realm.store, next, systemRandom, { previous: realm.masterKey })
    const bytes = await rest(await begin(both))
    expect(thrownBy(() => decodeBackup('it', bytes, realm.masterKey))).toMatchObject({ code: 'unavailable' })
    const { records } = decodeBackup('it', bytes, next)
    for (const stored of records.get('principal') ?? []) {
      const { fields } = openRecord({ current: next, previous: undefined }, 'principal', stored.name, stored)
      expect(decodePrincipalRecord(fields).name).toBe(stored.name)
    }
  })

  it('keeps no more than a few moments at a time, and lets go of each', async () => {
    const realm = await testRealm()
    const open = await Promise.all([1, 2, 3, 4].map(() => begin(realm.vault)))
    await expect(begin(realm.vault)).rejects.toMatchObject({ code: 'unavailable' })
    await open[0]?.close()
    await open[0]?.close()
    await begin(realm.vault)
    await expect(begin(realm.vault)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('a backup over a channel', () => {
  it('goes on only where it is, and begins again at 0', async () => {
    const realm = await testRealm()
    const held = new HeldBackup()
    await expect(held.next(realm.vault, 1, START)).rejects.toMatchObject({ code: 'malformed' })
    const first = await held.next(realm.vault, 0, START)
    await expect(held.next(realm.vault, first.length - 1, START)).rejects.toMatchObject({ code: 'malformed' })
    expect(await held.next(realm.vault, 0, START)).toHaveLength(first.length)
    expect(await held.next(realm.vault, first.length, START)).toHaveLength(0)
    await held.next(realm.vault, 0, START)
    await held.close()
    await expect(held.next(realm.vault, first.length, START)).rejects.toMatchObject({ code: 'malformed' })
    await expect(held.next(realm.vault, 0, START)).rejects.toMatchObject({ code: 'malformed' })
  })

  it('that begins several times at once leaves no snapshot open', async () => {
    const realm = await testRealm()
    const held = new HeldBackup()
    const all = await Promise.all(Array.from({ length: 5 }, () => held.next(realm.vault, 0, START)))
    expect(new Set(all.map(({ length }) => length)).size).toBe(1)
    await held.close()
    for (let i = 0; i < 4; i++) await realm.vault.snapshot()
  })

  it('is found to be whole, or not, by who receives it without a key', async () => {
    const realm = await testRealm()
    const whole = await backupOf(realm)
    const receive = (bytes: Uint8Array, size: number) => {
      const received = new ReceivedBackup()
      for (let at = 0; at < bytes.length; at += size) received.add(bytes.subarray(at, at + size))
      return received.end()
    }
    for (const size of [1, 7, 64, whole.length]) {
      expect(receive(whole, size).counts).toEqual({ realm: 1, principal: 3, policy: 1, revocation: 0 })
    }
    for (const bytes of [
      whole.subarray(0, -1),
      whole.subarray(0, 40),
      whole.subarray(0, 0),
      concatBytes(whole, whole),
    ]) {
      expect(() => receive(bytes, 64)).toThrow(/did not arrive whole|fields|expected/)
    }
  })
})

describe('a check', () => {
  it('of a backup finds no fault where there is none', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.call('rotate', [local('krbtgt')])
    await realm.call('revoke-client', [local('web')])
    await realm.call('replace-key', [local('web')])
    const backup = decodeBackup('it', await backupOf(realm), realm.masterKey)
    const keys = { current: realm.masterKey, previous: undefined }
    const report = await checkRealm(snapshotOf(backup), keys)
    expect(report.faults).toEqual([])
    expect(report).toMatchObject({ realm: REALM, found: 0, notes: [], underPrevious: 0 })
    expect(report.counts).toEqual({ realm: 1, principal: 4, policy: 1, revocation: 3 })
  })
})
