import { rmSync } from 'node:fs'
import { join as inFolder } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { EtcdOptions } from '../../../../kdc/store/etcd/client/client.js'
import { liveReplicas } from '../../../../kdc/store/etcd/place.js'
import { replicaKey } from '../../../../kdc/store/etcd/replica-keys.js'
import { createEtcdStore, joinEtcdStore } from '../../../../kdc/store/etcd/store.js'
import type { ReplicaNotice, Store } from '../../../../kdc/store/store.js'
import { EtcdHouse, freePorts, hasEtcd, hasEtcdctl } from '../../../support/etcd.js'
import { TcpProxy } from '../../../support/tcp-proxy.js'
import { put, show } from '../store-suite.js'

/** What etcd and the way to it do wrong, on one real member. */

/** Of each test. */
let prefix = ''

interface Joined {
  readonly store: Store
  /** Records that were told of; those of a kind together have no name. */
  readonly told: string[]
  readonly notices: ReplicaNotice['kind'][]
}

describe.runIf(hasEtcd)('a member of etcd', () => {
  let house: EtcdHouse
  let round = 0
  // One for all: the test that restores it comes last.
  beforeAll(async () => {
    house = await EtcdHouse.start(1, { args: ['--quota-backend-bytes', String(2 ** 20)] })
  })
  afterAll(() => house?.end())
  beforeEach(() => {
    prefix = `/orthrus/r${++round}/`
  })

  const plain = (options: Partial<EtcdOptions> = {}) =>
    createEtcdStore({ etcd: house.client(options), prefix: prefix })

  async function join(options: Partial<EtcdOptions> = {}): Promise<Joined> {
    const store = await joinEtcdStore({ etcd: house.client(options), prefix: prefix })
    onTestFinished(() => store.close())
    const [told, notices]: [string[], ReplicaNotice['kind'][]] = [[], []]
    store.watch((kind, name) => {
      told.push(`${kind} ${name ?? ''}`)
    })
    store.replica?.onNotice(({ kind }) => notices.push(kind))
    return { store, told, notices }
  }

  it('that is frozen is noticed within seconds, by calls and by a watch, and used again afterwards', async () => {
    const etcd = house.client({ deadline: 1_000 })
    let ended: Error | undefined
    const listener = {
      events: () => undefined,
      ended: (cause: Error) => {
        ended = cause
      },
    }
    etcd.watch({ key: prefix, end: `${prefix}~`, revision: 1 }, listener)
    const { revision } = await etcd.range({ key: prefix })
    house.members[0]?.pause()
    const since = performance.now()
    // Nobody calls, and the watch ends all the same.
    await expect.poll(() => ended?.message).toMatch(/etcd at/)
    expect(performance.now() - since).toBeLessThan(8_000)
    await expect(etcd.range({ key: prefix })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/within 1000 ms/),
    })
    house.members[0]?.resume()
    expect((await etcd.range({ key: prefix })).revision).toBe(revision)
  })

  it('that is down is passed over, and the next one is used from then on', async () => {
    const [port] = await freePorts(1)
    const proxy = await TcpProxy.start(Number(new URL(house.endpoints[0] ?? '').port))
    const dead = `http://127.0.0.1:${port}`
    const etcd = house.client({ endpoints: [dead, `http://127.0.0.1:${proxy.port}`, ...house.endpoints] })
    await etcd.range({ key: prefix })
    proxy.leadTo(undefined)
    proxy.breakUp()
    // What was cut on its way is asked again if it only reads.
    await etcd.range({ key: prefix })
    expect(proxy.connections.open).toBe(0)
  })

  it('whose answer is lost has made the change once, and nobody makes it again', async () => {
    const proxy = await TcpProxy.start(Number(new URL(house.endpoints[0] ?? '').port))
    const endpoints = [`http://127.0.0.1:${proxy.port}`, ...house.endpoints]
    const etcd = house.client({ endpoints, deadline: 500 })
    await etcd.range({ key: prefix })
    proxy.left = 0
    const key = `${prefix}a`
    const change = { compares: [], operations: [{ kind: 'put', key, value: new Uint8Array(1) } as const] }
    await expect(etcd.transact(change)).rejects.toMatchObject({ code: 'unavailable' })
    expect((await etcd.range({ key })).found).toMatchObject([{ version: 1 }])
  })

  it('that was compacted while a watch was cut has everything read again', async () => {
    const proxy = await TcpProxy.start(Number(new URL(house.endpoints[0] ?? '').port))
    const { store, told } = await join({ endpoints: [`http://127.0.0.1:${proxy.port}`] })
    const other = plain()
    await other.commit([put('a', 0, 'old')])
    await expect.poll(() => told).toContain('principal a')
    proxy.leadTo(undefined)
    proxy.breakUp()
    await other.commit([put('a', 1, 'new'), put('b', 0, 'new')])
    await other.compact()
    told.length = 0
    proxy.leadTo(Number(new URL(house.endpoints[0] ?? '').port))
    await expect.poll(() => told).toContain('principal ')
    await expect.poll(() => store.replica?.isCurrent()).toBe(true)
    expect(await show(store, 'a')).toBe('new@2')
  })

  it('that has lost the lease of a KDC is joined again, with nothing in memory', async () => {
    const { store, told, notices } = await join()
    const id = store.replica?.id ?? ''
    const etcd = house.client()
    await etcd.transact({ compares: [], operations: [{ kind: 'delete', key: replicaKey(prefix, id) }] })
    await expect.poll(() => notices.filter(kind => kind === 'joined').length).toBe(2)
    expect(told).toContain('principal ')
    await expect.poll(() => store.replica?.isCurrent()).toBe(true)
    expect(await liveReplicas(etcd, prefix)).toMatchObject([{ id }])
  })

  it.runIf(hasEtcdctl)(
    'that is full takes no change and says what to do, and takes them again then',
    async () => {
      const store = plain()
      await store.commit([put('a', 0, 'x')])
      const large = 'x'.repeat(100_000)
      let failure: unknown
      for (let i = 0; failure === undefined; i++) {
        failure = await store.commit([put('large', i, large)]).then(
          () => undefined,
          cause => cause,
        )
      }
      expect(failure).toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(/space exceeded.*etcdctl defrag.*alarm disarm/),
      })
      expect(await show(store, 'a')).toBe('x@1')
      await expect(store.requireWritable?.()).rejects.toMatchObject({ code: 'unavailable' })
      await store.compact()
      await house.operate('defrag')
      await house.operate('alarm', 'disarm')
      await store.requireWritable?.()
      await store.commit([put('a', 1, 'y')])
    },
  )

  it.runIf(hasEtcdctl)('that was restored from a snapshot is refused by who saw more of it', async () => {
    const [member] = house.members
    const first = plain()
    await first.commit([put('a', 0, 'old')])
    const snapshot = inFolder(house.folder, 'snapshot')
    await house.operate('snapshot', 'save', snapshot)
    await first.commit([put('a', 1, 'new'), put('b', 0, 'new')])
    const { store, notices, told } = await join()
    expect(await show(store, 'a')).toBe('new@2')
    await member?.kill()
    rmSync(inFolder(house.folder, 'm0'), { recursive: true })
    await house.restore(snapshot, 'm0')
    member?.start()
    await house.ready()
    await expect.poll(() => notices).toContain('restored')
    expect(told).toContain('principal ')
    expect(store.replica?.isCurrent()).toBe(false)
    expect(store.replica?.fault).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/gone back.*orthrus restore/s),
    })
  })
})
