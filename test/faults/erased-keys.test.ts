import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { KeySchedule } from '../../kdc/realm/key-schedule.js'
import { bytesOf } from '../../kdc/store/changes.js'
import { levelOf } from '../../kdc/store/level/database.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND, type Store } from '../../kdc/store/store.js'
import { decodePrincipalRecord, type PrincipalRecord } from '../../kdc/vault/records.js'
import { decodeStagedKey, encodePasswordReset } from '../../shared/administration/keys.js'
import type { PasswordKey } from '../../shared/administration/principals.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { DAY, MINUTE } from '../../shared/time.js'
import { enrol, invite } from '../support/invitations.js'
import {
  callerOf,
  type Identity,
  local,
  login,
  outcome,
  type TestRealm,
  testRealm,
} from '../support/realm.js'

/**
 * Forgetting is real: after a key's end no file of the database has it, nor even the sealed record that had it, once
 * LevelDB has compacted its tables and begun another log.
 */

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-erased-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface RememberedRealm {
  readonly realm: TestRealm
  /** Every form in which the record of a principal was ever stored. */
  readonly sealed: ReadonlySet<string>
  /** Every long-term key that any of them had. */
  readonly keys: ReadonlySet<string>
}

/** A realm on disk, beside a memory of all that was ever written there about principals. */
async function onDisk(): Promise<RememberedRealm> {
  const store = await openLevelStore(join(folder, 'db'), { create: true })
  const sealed = new Set<string>()
  const keys = new Set<string>()
  const watched: Store = {
    get: (kind, name) => store.get(kind, name),
    list: (kind, page) => store.list(kind, page),
    watch: listener => store.watch(listener),
    snapshot: () => store.snapshot(),
    compact: () => store.compact(),
    close: () => store.close(),
    commit: async planned => {
      const changes = planned.map(change => ({
        ...change,
        value: bytesOf(change.value, change.expected + 1),
      }))
      await store.commit(changes)
      const written = changes.filter(
        ({ kind, value }) => kind === RECORD_KIND.PRINCIPAL && value !== undefined,
      )
      for (const { name, value } of written) {
        sealed.add(Buffer.from(value ?? []).toString('latin1'))
        const record = await realm?.vault.read(RECORD_KIND.PRINCIPAL, name)
        if (record !== undefined) remember(decodePrincipalRecord(record.fields))
      }
    },
  }
  const remember = (record: PrincipalRecord): void => {
    for (const { key } of record.keys) keys.add(Buffer.from(revealKey(key)).toString('latin1'))
  }
  let realm: TestRealm | undefined
  realm = await testRealm({ store: watched })
  for (const name of ['krbtgt', 'kdc', 'admin']) remember(await realm.record(name))
  return { realm, sealed, keys }
}

/** All files of the database, each as a text of its bytes. */
async function files(): Promise<string[]> {
  const names = await readdir(join(folder, 'db'), { recursive: true, withFileTypes: true })
  const regular = names.filter(entry => entry.isFile())
  return Promise.all(regular.map(entry => readFile(join(entry.parentPath, entry.name), 'latin1')))
}

const isIn = (all: readonly string[], bytes: string): boolean => all.some(file => file.includes(bytes))

async function compact(): Promise<void> {
  const database = levelOf(join(folder, 'db'))
  await database.open()
  // Of LevelDB alone, and so not among the types of all databases.
  const level = database as unknown as { compactRange(from: string, to: string): Promise<void> }
  await level.compactRange('\u0000', '\uffff')
  await database.close()
}

function randomPassword(): PasswordKey {
  const parameters = { log2N: 17, r: 8, p: 1, salt: systemRandom(16) }
  return { parameters, key: new LongTermKey(systemRandom(32)) }
}

async function next(realm: TestRealm, holder: Identity): Promise<Identity> {
  const caller = callerOf(holder.principal, realm.clock.now())
  const context = { ...ownContext(realm.realm, realm.context.report), caller }
  const { kvno, salt } = decodeStagedKey(await callMethod(context, 'next-key', [holder.kvno]))
  return { ...holder, kvno, key: deriveNextKey(holder.key, salt) }
}

describe('on disk', () => {
  it('no key is ever in clear, and no erased one is in a sealed record either after compaction', async () => {
    const { realm, sealed, keys } = await onDisk()
    const { store, clock } = realm
    const web = await realm.add('web')
    // A key that is staged and never shown, and one that is promoted.
    await next(realm, web)
    const second = await next(realm, web)
    expect(outcome(await login(realm, second))).toBe('reply')
    // A key that is replaced after a theft, one that is revoked, one of a principal that is removed, and a password.
    await realm.call('replace-key', [web.principal])
    for (const name of ['orders', 'gone']) await realm.add(name)
    await realm.call('revoke-key', [local('orders')])
    await realm.call('remove', [local('gone')])
    await realm.add('ann', { password: randomPassword() })
    const reset = { principal: local('ann'), password: randomPassword() }
    await realm.call('reset-password', encodePasswordReset(reset))
    // The keys of a code that was used, of one that nobody used, and those that they staged.
    const [used, unused] = [await invite(realm, 'host'), await invite(realm, 'stock/*', { uses: 3 })]
    await enrol(realm, used)
    expect(outcome(await login(realm, await enrol(realm, used)))).toBe('reply')
    await enrol(realm, unused, '1')
    // Keys of the KDC that have ended.
    for (const name of ['krbtgt', 'kdc']) await realm.call('rotate', [local(name)])
    const schedule = KeySchedule.start({ realm: realm.realm, timers: clock, report: realm.context.report })
    clock.pass(8 * DAY)
    await clock.elapse(2 * MINUTE)
    const invitations = async () => (await realm.call('invitations', [null, 10]))[0]
    await expect.poll(async () => (await realm.record('kdc')).keys.length).toBe(1)
    await expect.poll(invitations).toEqual([])
    await schedule.stop()
    const records = await store.list(RECORD_KIND.PRINCIPAL, { limit: 1_000 })
    const live = new Set(records.map(({ value }) => Buffer.from(value).toString('latin1')))
    const erased = [...sealed].filter(value => !live.has(value))
    const left = await Promise.all(records.map(({ name }) => realm.record(name.split('@')[0] as string)))
    const kept = left.flatMap(record => record.keys).length
    // Of web, ann, host, admin, krbtgt and kdc; all others were erased.
    expect([kept, keys.size, erased.length]).toEqual([6, 18, 20])
    await store.close()

    // The search finds what is there: before compaction, the sealed records of before.
    const before = await files()
    expect(erased.filter(value => isIn(before, value)).length).toBeGreaterThan(0)
    await compact()
    const after = await files()
    for (const value of live) expect(isIn(after, value)).toBe(true)
    expect(erased.filter(value => isIn(after, value))).toEqual([])
    for (const all of [before, after]) {
      for (const key of keys) {
        const bytes = Buffer.from(key, 'latin1')
        const forms = [key, ...(['hex', 'base64', 'base64url'] as const).map(form => bytes.toString(form))]
        expect(forms.filter(form => isIn(all, form))).toEqual([])
      }
    }
    // The store still opens, and has what is current.
    const again = await openLevelStore(join(folder, 'db'), { create: false })
    expect(await again.get(RECORD_KIND.PRINCIPAL, web.principal)).toBeDefined()
    await again.close()
  })
})
