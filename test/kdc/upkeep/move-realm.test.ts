import { describe, expect, it } from 'vitest'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import { openRealm, readRealm } from '../../../kdc/realm/realm.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { type Change, RECORD_KIND, type Store } from '../../../kdc/store/store.js'
import { markAsMoved, moveRealm } from '../../../kdc/upkeep/move-realm.js'
import { REALM_RECORD_NAME } from '../../../kdc/vault/records.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { ask, grantOf, login, openedBy, outcome, type TestRealm, testRealm } from '../../support/realm.js'

/** A store that fails in its commits from one on, before or after it has made it, as a process that is killed does. */
function failing(store: Store, from: number, when: 'before' | 'after'): Store {
  let commits = 0
  const commit = async (changes: readonly Change[]): Promise<void> => {
    const fails = ++commits >= from
    if (!fails || when === 'after') await store.commit(changes)
    if (fails) throw new Error('killed')
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'commit') return commit
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function contentOf(vault: Vault): Promise<unknown> {
  const kinds = Object.values(RECORD_KIND)
  const lists = await Promise.all(kinds.map(kind => vault.list(kind, { limit: 10_000 })))
  return lists.map(list => list.map(({ name, fields }) => [name, fields]))
}

function move(source: Vault, target: Vault) {
  return moveRealm({ source, target, fence: realm => markAsMoved(source, realm) })
}

async function lived(): Promise<TestRealm> {
  const realm = await testRealm()
  await realm.allow('web', 'orders')
  for (let n = 0; n < 120; n++) await realm.add(`host-${n}`)
  return realm
}

describe('a realm that is moved to another store', () => {
  it('goes on there with the tickets, the keys and the revocations that it had', async () => {
    const realm = await testRealm()
    const [web, orders, old] = [await realm.add('web'), await realm.add('orders'), await realm.add('old')]
    await realm.allow('web', 'orders')
    const tgt = grantOf(await login(realm, web))
    const ended = grantOf(await login(realm, old))
    await realm.call('disable', [old.principal])
    const before = await contentOf(realm.vault)
    const target = new Vault(createMemoryStore(), realm.masterKey, systemRandom)

    const report = await move(realm.vault, target)

    expect(report.realm).toBe('demo.example')
    expect(await contentOf(target)).toEqual(before)
    const opened = await openRealm({
      vault: target,
      clock: realm.clock,
      timers: realm.clock,
      random: systemRandom,
    })
    const context = { ...realm.context, realm: opened }
    const moved = { ...realm, vault: target, realm: opened, context, dispatch: createDispatch(context) }
    const grant = grantOf(await ask(moved, tgt, { services: [orders.principal] }))
    expect(openedBy(orders, grant).client).toBe(web.principal)
    expect(outcome(await ask(moved, ended, { services: [orders.principal] }))).toBe('06 revoked')
    expect((await readRealm(target)).logId).toEqual(realm.realm.record.logId)
  })

  it('is served from the old store no more', async () => {
    const realm = await testRealm()
    await move(realm.vault, new Vault(createMemoryStore(), realm.masterKey, systemRandom))

    await expect(
      openRealm({ vault: realm.vault, clock: realm.clock, timers: realm.clock, random: systemRandom }),
    ).rejects.toMatchObject({ code: 'unavailable', facts: { hint: expect.stringContaining('moved') } })
  })

  it('can be moved back', async () => {
    const realm = await testRealm()
    await realm.add('web')
    const before = await contentOf(realm.vault)
    const other = new Vault(createMemoryStore(), realm.masterKey, systemRandom)
    await move(realm.vault, other)
    await move(other, realm.vault)

    expect(await contentOf(realm.vault)).toEqual(before)
    await expect(readRealm(other)).rejects.toThrow('the database has no realm')
  })

  it.each(['before', 'after'] as const)(
    'is whole in one of the two stores when the move ends %s any commit, and is moved by the next try',
    async when => {
      const ends: string[] = []
      for (let from = 1; ; from++) {
        const realm = await lived()
        const before = await contentOf(realm.vault)
        const store = createMemoryStore()
        const target = new Vault(store, realm.masterKey, systemRandom)
        const killed = new Vault(failing(store, from, when), realm.masterKey, systemRandom)
        const outcome = await move(realm.vault, killed).then(
          () => 'moved',
          () => 'killed',
        )
        ends.push(outcome)
        const places = await Promise.all(
          [realm.vault, target].map(vault => vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)),
        )
        expect(places.filter(found => found !== undefined).length, `at commit ${from}`).toBeLessThan(2)
        if (places[1] === undefined) await move(realm.vault, target)
        expect(await contentOf(target), `at commit ${from}`).toEqual(before)
        if (outcome === 'moved') break
      }
      expect(ends.length).toBeGreaterThan(3)
    },
  )

  it('takes away from the target what an earlier try left and the realm no longer has', async () => {
    const realm = await testRealm()
    await realm.allow('web', 'orders')
    const store = createMemoryStore()
    const killed = new Vault(failing(store, 1, 'after'), realm.masterKey, systemRandom)
    await expect(move(realm.vault, killed)).rejects.toThrow('killed')
    await realm.call('forget', ['web@demo.example', 'orders@demo.example'])
    const before = await contentOf(realm.vault)
    const target = new Vault(store, realm.masterKey, systemRandom)
    await move(realm.vault, target)

    expect(await contentOf(target)).toEqual(before)
  })
})

describe('a realm is not moved', () => {
  it('over another one', async () => {
    const [realm, other] = [await testRealm(), await testRealm()]
    const before = await contentOf(other.vault)

    await expect(move(realm.vault, other.vault)).rejects.toThrow('has a realm already')
    expect(await contentOf(other.vault)).toEqual(before)
    await expect(readRealm(realm.vault)).resolves.toBeDefined()
  })

  it('from a store that has none', async () => {
    const realm = await testRealm()
    const empty = new Vault(createMemoryStore(), realm.masterKey, systemRandom)

    await expect(move(empty, new Vault(createMemoryStore(), realm.masterKey, systemRandom))).rejects.toThrow(
      'has no realm',
    )
  })

  it('while a KDC changes it', async () => {
    const realm = await lived()
    const target = new Vault(createMemoryStore(), realm.masterKey, systemRandom)
    const moving = moveRealm({
      source: realm.vault,
      target,
      fence: found => markAsMoved(realm.vault, found),
      progress: records => {
        if (records === 100) realm.add('late')
      },
    })

    await expect(moving).rejects.toThrow('changed while the realm was moved')
    await expect(readRealm(realm.vault)).resolves.toBeDefined()
    await expect(readRealm(target)).rejects.toThrow('the database has no realm')
  })

  it('when the record of the realm changed just before it was fenced', async () => {
    const realm = await testRealm()
    const found = await realm.vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
    if (found === undefined) throw new Error('no realm')
    const change = { kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.REALM, expected: found.version }
    await realm.vault.commit([{ ...change, fields: found.fields }])

    await expect(markAsMoved(realm.vault, found)).rejects.toMatchObject({ name: 'StoreConflict' })
  })

  it('with a record that does not open', async () => {
    const realm = await lived()
    const record = await realm.store.get(RECORD_KIND.PRINCIPAL, 'host-7@demo.example')
    if (record === undefined) throw new Error('no record')
    const value = record.value.map((byte, at) => (at === 40 ? byte ^ 1 : byte))
    const change = { kind: RECORD_KIND.PRINCIPAL, name: 'host-7@demo.example', expected: record.version }
    await realm.store.commit([{ ...change, value }])

    await expect(
      move(realm.vault, new Vault(createMemoryStore(), realm.masterKey, systemRandom)),
    ).rejects.toMatchObject({ code: 'unavailable' })
  })
})
