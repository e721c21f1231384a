import { describe, expect, it } from 'vitest'
import { CACHE } from '../../../kdc/limits/defaults.js'
import { Directory } from '../../../kdc/realm/directory.js'
import { RecordCache } from '../../../kdc/realm/record-cache.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { RECORD_KIND, type Store } from '../../../kdc/store/store.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { ask, grantOf, local, login, outcome, testRealm } from '../../support/realm.js'

/** Reads that end when the test says so. */
function slowReads() {
  const waiting: { name: string; end: (value: object | undefined) => void; fail: (cause: Error) => void }[] =
    []
  const read = (name: string): Promise<object | undefined> =>
    new Promise((end, fail) => waiting.push({ name, end, fail }))
  return { waiting, cache: new RecordCache({ read, present: 2, absent: 2 }) }
}

const OLD = { old: true }
const NEW = { new: true }

describe('a cache of records', () => {
  it('reads once for all that ask at the same time, and keeps what it read', async () => {
    const { waiting, cache } = slowReads()
    const both = [cache.get('a'), cache.get('a')]
    waiting[0]?.end(OLD)
    expect(await Promise.all(both)).toEqual([OLD, OLD])
    expect(await cache.get('a')).toBe(OLD)
    expect(waiting).toHaveLength(1)
  })

  it('does not keep the result of a read that was under way when the record changed', async () => {
    const { waiting, cache } = slowReads()
    const before = cache.get('a')
    cache.forget('a')
    const after = cache.get('a')
    expect(waiting).toHaveLength(2)
    waiting[1]?.end(NEW)
    expect(await after).toBe(NEW)
    waiting[0]?.end(OLD)
    expect(await before).toBe(OLD)
    expect(await cache.get('a')).toBe(NEW)
  })

  it('does not keep it if the old read ends first', async () => {
    const { waiting, cache } = slowReads()
    const before = cache.get('a')
    cache.forget('a')
    waiting[0]?.end(OLD)
    expect(await before).toBe(OLD)
    const after = cache.get('a')
    waiting[1]?.end(NEW)
    expect(await after).toBe(NEW)
  })

  it('does not keep it if the old read ends while the new one is under way', async () => {
    const { waiting, cache } = slowReads()
    const before = cache.get('a')
    cache.forget('a')
    const after = cache.get('a')
    waiting[0]?.end(OLD)
    expect(await before).toBe(OLD)
    const joined = cache.get('a')
    waiting[1]?.end(NEW)
    expect(await Promise.all([after, joined])).toEqual([NEW, NEW])
    expect(waiting).toHaveLength(2)
  })

  it('does not keep it if everything was forgotten, as after a change that may concern every name', async () => {
    const { waiting, cache } = slowReads()
    const before = [cache.get('a'), cache.get('b')]
    cache.forgetAll()
    const after = [cache.get('a'), cache.get('b')]
    expect(waiting.map(({ name }) => name)).toEqual(['a', 'b', 'a', 'b'])
    for (const { end } of waiting.slice(0, 2)) end(OLD)
    expect(await Promise.all(before)).toEqual([OLD, OLD])
    for (const { end } of waiting.slice(2)) end(NEW)
    expect(await Promise.all(after)).toEqual([NEW, NEW])
    expect([cache.get('a'), cache.get('b')]).toEqual([NEW, NEW])
  })

  it('does not keep what an old read finds, or does not find, after everything was forgotten', async () => {
    const { waiting, cache } = slowReads()
    const before = [cache.get('a'), cache.get('b')]
    cache.forgetAll()
    const after = cache.get('a')
    waiting[2]?.end(NEW)
    expect(await after).toBe(NEW)
    waiting[0]?.end(undefined)
    waiting[1]?.end(OLD)
    expect(await Promise.all(before)).toEqual([undefined, OLD])
    expect(cache.get('a')).toBe(NEW)
    void cache.get('b')
    expect(waiting).toHaveLength(4)
  })

  it('remembers that there is no record, until there may be one', async () => {
    const { waiting, cache } = slowReads()
    const none = cache.get('a')
    waiting[0]?.end(undefined)
    expect(await none).toBeUndefined()
    expect(await cache.get('a')).toBeUndefined()
    expect(waiting).toHaveLength(1)
    cache.forget('a')
    void cache.get('a')
    expect(waiting).toHaveLength(2)
  })

  it('does not keep a failure', async () => {
    const { waiting, cache } = slowReads()
    const failed = cache.get('a')
    waiting[0]?.fail(new Error('no'))
    await expect(failed).rejects.toThrow('no')
    const again = cache.get('a')
    waiting[1]?.end(NEW)
    expect(await again).toBe(NEW)
  })

  it('is bounded, and names that do not exist push out none that exist', async () => {
    const { waiting, cache } = slowReads()
    const first = cache.get('a')
    waiting[0]?.end(OLD)
    await first
    for (let i = 1; i < 10; i++) {
      const other = cache.get(`ghost${i}`)
      waiting[i]?.end(undefined)
      await other
    }
    expect(await cache.get('a')).toBe(OLD)
    void cache.get('ghost1')
    expect(waiting).toHaveLength(11)
  })
})

describe('the directory', () => {
  /** A store whose next read ends when the test says so. */
  function heldStore(store: Store): { store: Store; hold: () => () => void } {
    let gate: Promise<void> | undefined
    const held: Store = {
      async get(kind, name) {
        const waiting = gate
        gate = undefined
        const found = await store.get(kind, name)
        await waiting
        return found
      },
      commit: changes => store.commit(changes),
      list: (kind, page) => store.list(kind, page),
      watch: listener => store.watch(listener),
      snapshot: () => store.snapshot(),
      compact: () => store.compact(),
      close: () => store.close(),
    }
    const hold = (): (() => void) => {
      let release: () => void = () => {}
      gate = new Promise(resolve => {
        release = resolve
      })
      return release
    }
    return { store: held, hold }
  }

  it('does not take a record into the cache that was removed while it was read', async () => {
    const { store, hold } = heldStore(createMemoryStore())
    const realm = await testRealm({ store })
    await realm.add('web')
    const directory = new Directory(new Vault(store, realm.masterKey, systemRandom))
    const release = hold()
    const during = directory.principal(local('web'))
    await realm.call('remove', [local('web')])
    expect(await directory.principal(local('web'))).toBeUndefined()
    release()
    expect((await during)?.name).toBe('web@demo.example')
    expect(await directory.principal(local('web'))).toBeUndefined()
  })

  it('returns no rule that was replaced by a denial while it was read', async () => {
    const { store, hold } = heldStore(createMemoryStore())
    const realm = await testRealm({ store })
    await realm.allow('web', 'orders')
    const directory = new Directory(new Vault(store, realm.masterKey, systemRandom))
    const effects = async () =>
      (await directory.rules(local('web'), local('orders'))).map(rule => rule.effect)
    const release = hold()
    const during = effects()
    await realm.deny('web', 'orders')
    const after = effects()
    release()
    expect(await during).toEqual(['allow'])
    expect(await after).toEqual(['deny'])
    expect(await effects()).toEqual(['deny'])
  })

  it('hears of changes until it is closed', async () => {
    const realm = await testRealm()
    const directory = new Directory(realm.vault)
    const heard: (string | undefined)[] = []
    const end = directory.onPrincipal(name => heard.push(name))
    await realm.add('a')
    await realm.allow('a', 'b')
    end()
    await realm.add('b')
    directory.onPrincipal(name => heard.push(name))
    directory.close()
    await realm.add('c')
    expect(heard).toEqual(['a@demo.example'])
  })

  it('finds every rule that matches, by as many reads as there are pairs of patterns', async () => {
    const realm = await testRealm()
    const reads: string[] = []
    const counting: Store = {
      get: (kind, name) => {
        if (kind === RECORD_KIND.POLICY) reads.push(name)
        return realm.store.get(kind, name)
      },
      commit: changes => realm.store.commit(changes),
      list: (kind, page) => realm.store.list(kind, page),
      watch: listener => realm.store.watch(listener),
      snapshot: () => realm.store.snapshot(),
      compact: () => realm.store.compact(),
      close: () => realm.store.close(),
    }
    await realm.allow('web/*', 'orders')
    await realm.allow('*', '*')
    await realm.allow('other', 'orders')
    const directory = new Directory(new Vault(counting, realm.masterKey, systemRandom))
    const rules = await directory.rules(local('web/1'), local('orders'))
    expect(rules.map(({ client, service }) => `${client} ${service}`)).toEqual([
      'web/*@demo.example orders@demo.example',
      '* *',
    ])
    expect(reads).toHaveLength(6)
    await directory.rules(local('web/1'), local('orders'))
    expect(reads).toHaveLength(6)
    await realm.allow('web/1', 'orders')
    expect(await directory.rules(local('web/1'), local('orders'))).toHaveLength(3)
    expect(reads).toHaveLength(12)
  })

  it('keeps its rules whoever asks for pairs that have none', async () => {
    const realm = await testRealm()
    let reads = 0
    const { store } = realm
    const counting: Store = {
      get: (kind, name) => {
        if (kind === RECORD_KIND.POLICY) reads++
        return store.get(kind, name)
      },
      commit: changes => store.commit(changes),
      list: (kind, page) => store.list(kind, page),
      watch: listener => store.watch(listener),
      snapshot: () => store.snapshot(),
      compact: () => store.compact(),
      close: () => store.close(),
    }
    await realm.allow('web', 'orders')
    const directory = new Directory(new Vault(counting, realm.masterKey, systemRandom))
    expect(await directory.rules(local('web'), local('orders'))).toHaveLength(1)
    for (let i = 0; i < CACHE.RULES + 10; i++) await directory.rules(local('web'), local(`none${i}`))
    reads = 0
    expect(await directory.rules(local('web'), local('orders'))).toHaveLength(1)
    expect(reads).toBe(0)
  })

  it('keeps as many principals as it is told, and as many names that do not exist', async () => {
    const realm = await testRealm()
    for (const name of ['a', 'b', 'c']) await realm.add(name)
    const directory = new Directory(realm.vault, 2)
    for (const name of ['a', 'b', 'c']) expect(await directory.principal(local(name))).toBeDefined()
    expect(directory.use.principals.entries).toBe(2)
    for (const name of ['x', 'y', 'z']) expect(await directory.principal(local(name))).toBeUndefined()
    expect(directory.use.principals.entries).toBe(4)
    directory.close()
  })

  it('applies a change of policy to the next request', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.add('orders')
    const tgt = grantOf(await login(realm, web))
    const codes = async () =>
      (await ask(realm, tgt, { services: [local('orders')] })).reply?.denials.map(({ code }) => code)
    expect(await codes()).toEqual(['policy_denied'])
    await realm.allow('web', 'orders')
    expect(await codes()).toEqual([])
    await realm.deny('*', 'orders')
    expect(await codes()).toEqual(['policy_denied'])
    await realm.call('forget', ['*', local('orders')])
    expect(await codes()).toEqual([])
    expect(outcome(await ask(realm, tgt))).toBe('reply')
  })
})
