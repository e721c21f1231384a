import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Etcd } from '../../../../kdc/store/etcd/etcd.js'
import { liveReplicas } from '../../../../kdc/store/etcd/place.js'
import { createEtcdStore, joinEtcdStore } from '../../../../kdc/store/etcd/store.js'
import { type Store, StoreConflict } from '../../../../kdc/store/store.js'
import { EtcdHouse, freePorts, hasEtcd } from '../../../support/etcd.js'
import { describeStore, put, remove, show } from '../store-suite.js'

describe.runIf(hasEtcd)('on etcd', () => {
  let house: EtcdHouse
  let round = 0
  beforeAll(async () => {
    house = await EtcdHouse.start()
  })
  afterAll(() => house?.end())
  const place = (): string => `/orthrus/r${++round}.example/`
  const open = (prefix = place()): Store => createEtcdStore({ etcd: house.client(), prefix })

  describeStore(
    'the store',
    async () => open(),
    async () => undefined,
    { goesOn: true },
  )

  it('shares a realm: of two that change the same record one is first, and the other hears of it', async () => {
    const prefix = place()
    const [one, other] = [open(prefix), open(prefix)]
    await one.commit([put('a', 0, 'one')])
    expect(await show(other, 'a')).toBe('one@1')
    const both = await Promise.allSettled([one.commit([put('a', 1, 'x')]), other.commit([put('a', 1, 'y')])])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: expect.any(StoreConflict),
    })
  })

  it('makes changes of different records by several at the same time, few or many', async () => {
    const prefix = place()
    const stores = [open(prefix), open(prefix), open(prefix)]
    const many = (of: number) => Array.from({ length: 60 }, (_, i) => put(`${of}-${i}`, 0, 'x'))
    await Promise.all(
      stores.map((store, i) => store.commit([put(`few-${i}`, 0, 'x'), ...many(i).slice(0, 5)])),
    )
    await Promise.all(stores.map((store, i) => store.commit(many(i + 3))))
    expect(await (stores[0] as Store).list('principal', { limit: 999 })).toHaveLength(3 * 66)
  })

  it.each([1, 60])(
    'notices what another changes between its look and its transaction, of %i changes',
    async count => {
      const prefix = place()
      const other = open(prefix)
      const client = house.client()
      let between: (() => Promise<void>) | undefined
      const etcd: Etcd = {
        range: question => client.range(question),
        transact: async transaction => {
          const act = transaction.operations.some(({ kind }) => kind === 'put') ? between : undefined
          if (act !== undefined) between = undefined
          await act?.()
          return client.transact(transaction)
        },
        watch: (range, listener) => client.watch(range, listener),
        grantLease: ttl => client.grantLease(ttl),
        keepLease: lease => client.keepLease(lease),
        revokeLease: lease => client.revokeLease(lease),
        compact: revision => client.compact(revision),
        close: () => client.close(),
      }
      const store = createEtcdStore({ etcd, prefix })
      const changes = (value: string, expected: number) =>
        Array.from({ length: count }, (_, i) => put(`n${i}`, expected, value))
      between = () => other.commit([put('n0', 0, 'other')])
      await expect(store.commit(changes('mine', 0))).rejects.toThrow(StoreConflict)
      expect((await store.list('principal', { limit: 99 })).map(({ name }) => name)).toEqual(['n0'])
      await other.commit([remove('n0', 1)])
      between = () => other.commit([put('elsewhere', 0, 'other')])
      await store.commit(changes('mine', 0))
      expect([await show(store, 'n0'), await show(store, 'elsewhere')]).toEqual(['mine@3', 'other@1'])
    },
  )

  it('keeps realms apart that are beside each other', async () => {
    const [one, other] = [open('/orthrus/a.example/'), open('/orthrus/a.example2/')]
    await one.commit([put('a', 0, 'one')])
    expect(await other.list('principal', { limit: 9 })).toEqual([])
    await other.commit([put('a', 0, 'other'), put('b', 0, 'other')])
    expect((await one.list('principal', { limit: 9 })).map(({ name }) => name)).toEqual(['a'])
  })

  it('does not take for present what was decided before a name was deleted and made again', async () => {
    const prefix = place()
    const [one, other] = [open(prefix), open(prefix)]
    await one.commit([put('a', 0, 'first')])
    await other.commit([remove('a', 1)])
    await other.commit([put('a', 0, 'second')])
    await expect(one.commit([put('a', 1, 'late')])).rejects.toThrow(StoreConflict)
    expect(await show(one, 'a')).toBe('second@3')
  })

  it('closes a snapshot that etcd has compacted away', async () => {
    const prefix = place()
    const store = open(prefix)
    await store.commit([put('a', 0, 'x')])
    const snapshot = await store.snapshot()
    await store.commit([put('a', 1, 'y')])
    const { revision } = await house.client().range({ key: prefix })
    await house.client().compact(revision)
    await expect(snapshot.list('principal', { limit: 1 })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/snapshot .* closed .*begin again/),
    })
  })

  it('has nothing of what was replaced once it was compacted', async () => {
    const prefix = place()
    const store = open(prefix)
    const etcd = house.client()
    await store.commit([put('a', 0, 'old')])
    const { revision } = await etcd.range({ key: prefix })
    await store.commit([put('a', 1, 'new')])
    await store.compact()
    await expect(etcd.range({ key: `${prefix}principal/a`, revision })).rejects.toThrow(/compacted/)
  })

  it('refuses what something else wrote under its prefix, and says so', async () => {
    const prefix = place()
    const store = open(prefix)
    const key = `${prefix}principal/a`
    for (const value of [new Uint8Array(), Uint8Array.of(0, 1), Uint8Array.of(2, 3)]) {
      await house.client().transact({ compares: [], operations: [{ kind: 'put', key, value }] })
      for (const ask of [() => store.get('principal', 'a'), () => store.list('principal', { limit: 1 })]) {
        await expect(ask()).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringMatching(/no record/),
        })
      }
    }
  })

  it('says that a change is too large, and has made none of it', async () => {
    const store = open()
    const large = 'x'.repeat(400_000)
    const listener = vi.fn()
    store.watch(listener)
    const changes = ['a', 'b', 'c', 'd'].map(name => put(name, 0, large))
    await expect(store.commit(changes)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/in parts/),
    })
    expect(await store.list('principal', { limit: 1 })).toEqual([])
    expect(listener).not.toHaveBeenCalled()
  })

  it('tells each KDC that has joined of what another one commits, and is settled when both have applied it', async () => {
    const prefix = '/orthrus/shared.example/'
    const join = () => joinEtcdStore({ etcd: house.client(), prefix })
    const [one, other] = [await join(), await join()]
    const heard: (string | undefined)[] = []
    other.watch((kind, name) => {
      heard.push(`${kind} ${name}`)
    })
    await one.commit([put('a', 0, 'x')])
    expect(await one.replica?.settled()).toEqual([])
    expect(heard).toContain('principal a')
    await expect.poll(() => other.replica?.isCurrent()).toBe(true)
    expect(await liveReplicas(house.client(), prefix)).toHaveLength(2)
    await other.close()
    expect(await liveReplicas(house.client(), prefix)).toMatchObject([{ id: one.replica?.id }])
    await one.close()
  })

  it('keeps nothing of an entry of the revocation log that was deleted, and a tombstone of anything else', async () => {
    const prefix = place()
    const [store, joined] = [open(prefix), await joinEtcdStore({ etcd: house.client(), prefix })]
    const told: string[] = []
    joined.watch((kind, name) => {
      told.push(`${kind} ${name}`)
    })
    const entry = { kind: 'revocation', name: '1', expected: 0, value: new Uint8Array(1) } as const
    const deleted = { ...entry, expected: 1, value: undefined }
    await store.commit([entry, put('a', 0, 'x')])
    await expect.poll(() => told).toEqual(['revocation 1', 'principal a'])
    await store.commit([deleted, remove('a', 1)])
    // As of every change, those that have it in memory are told.
    await expect.poll(() => told.length).toBe(4)
    const { found } = await house.client().range({ key: prefix, end: `${prefix}replicas` })
    expect(found.map(({ key }) => key)).toEqual([`${prefix}last`, `${prefix}principal/a`])
    await expect(store.commit([deleted])).rejects.toBeInstanceOf(StoreConflict)
    await joined.close()
  })

  it('is asked whether it takes a change without making one, so that nobody hears of it', async () => {
    const prefix = place()
    const store = open(prefix)
    await store.requireWritable?.()
    expect((await house.client().range({ key: prefix, end: `${prefix}~` })).found).toEqual([])
    await store.commit([put('a', 0, 'x')])
    const { revision } = await house.client().range({ key: prefix })
    await store.requireWritable?.()
    expect((await house.client().range({ key: prefix })).revision).toBe(revision)
  })

  it('is not joined where nobody answers', async () => {
    const [port] = await freePorts(1)
    const etcd = house.client({ endpoints: [`http://127.0.0.1:${port}`] })
    await expect(joinEtcdStore({ etcd, prefix: '/orthrus/none.example/' })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/ECONNREFUSED/),
    })
  })
})
