import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { KeySchedule } from '../../kdc/realm/key-schedule.js'
import { levelOf } from '../../kdc/store/level/database.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../kdc/store/store.js'
import { decodeStagedKey } from '../../shared/administration/keys.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { revealKey } from '../../shared/crypto/keys.js'
import { DAY, MINUTE } from '../../shared/time.js'
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

/** A realm on disk that remembers every form in which the records of some principals were stored. */
async function onDisk(): Promise<{
  realm: TestRealm
  note(...names: string[]): Promise<void>
  sealed: Set<string>
  keys: Set<string>
}> {
  const store = await openLevelStore(join(folder, 'db'), { create: true })
  const realm = await testRealm({ store })
  const sealed = new Set<string>()
  const keys = new Set<string>()
  const note = async (...names: string[]): Promise<void> => {
    for (const name of names) {
      const stored = await store.get(RECORD_KIND.PRINCIPAL, local(name))
      if (stored !== undefined) sealed.add(Buffer.from(stored.value).toString('latin1'))
      for (const { key } of (await realm.record(name)).keys)
        keys.add(Buffer.from(revealKey(key)).toString('latin1'))
    }
  }
  return { realm, note, sealed, keys }
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

async function next(realm: TestRealm, holder: Identity): Promise<Identity> {
  const caller = callerOf(holder.principal, realm.clock.now())
  const context = { ...ownContext(realm.realm, realm.context.report), caller }
  const { kvno, salt } = decodeStagedKey(await callMethod(context, 'next-key', [holder.kvno]))
  return { ...holder, kvno, key: deriveNextKey(holder.key, salt) }
}

describe('on disk', () => {
  it('no key is ever in clear, and no erased one is in a sealed record either after compaction', async () => {
    const { realm, note, sealed, keys } = await onDisk()
    const { store, clock } = realm
    const web = await realm.add('web')
    await note('web', 'krbtgt', 'kdc')
    // A key that is staged and never shown, and one that is promoted.
    await next(realm, web)
    await note('web')
    const second = await next(realm, web)
    await note('web')
    expect(outcome(await login(realm, second))).toBe('reply')
    await note('web')
    // A key that is replaced after a theft, one that is revoked, and keys of the KDC that have ended.
    await realm.call('replace-key', [web.principal])
    await note('web')
    await realm.add('orders')
    await note('orders')
    await realm.call('revoke-key', [local('orders')])
    for (const name of ['krbtgt', 'kdc']) await realm.call('rotate', [local(name)])
    await note('krbtgt', 'kdc')
    const schedule = KeySchedule.start({ realm: realm.realm, timers: clock, report: realm.context.report })
    clock.pass(8 * DAY)
    await clock.elapse(MINUTE)
    await expect.poll(async () => (await realm.record('kdc')).keys.length).toBe(1)
    await schedule.stop()
    const live = new Set<string>()
    for (const name of ['web', 'orders', 'krbtgt', 'kdc', 'admin']) {
      const stored = await store.get(RECORD_KIND.PRINCIPAL, local(name))
      live.add(Buffer.from(stored?.value ?? []).toString('latin1'))
    }
    await note('web', 'admin')
    const erased = [...sealed].filter(value => !live.has(value))
    expect([erased.length, keys.size]).toEqual([9, 10])
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
