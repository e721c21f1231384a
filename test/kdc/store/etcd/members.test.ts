import { afterEach, describe, expect, it } from 'vitest'
import { createEtcdStore, joinEtcdStore } from '../../../../kdc/store/etcd/store.js'
import type { Store } from '../../../../kdc/store/store.js'
import { EtcdHouse, hasEtcdctl } from '../../../support/etcd.js'
import { put, show } from '../store-suite.js'

/** Three members, of which some fail. Slow: each test starts all of them. */

const PREFIX = '/orthrus/r/'
const slow = process.env.ORTHRUS_SLOW === '1'

describe.runIf(slow && hasEtcdctl)('three members of etcd', () => {
  let house: EtcdHouse
  afterEach(() => house?.end())

  const plain = (): Store => createEtcdStore({ etcd: house.client({ deadline: 1_000 }), prefix: PREFIX })

  /** Tries until it is known that it was made. */
  async function write(store: Store, name: string, value: string): Promise<number> {
    const since = performance.now()
    for (;;) {
      const version = (await store.get('principal', name).catch(() => undefined))?.version ?? 0
      try {
        await store.commit([put(name, version, value)])
        return performance.now() - since
      } catch {
        if ((await show(store, name).catch(() => undefined))?.startsWith(`${value}@`)) {
          return performance.now() - since
        }
      }
    }
  }

  async function leader(): Promise<number> {
    const told = JSON.parse(await house.operate('endpoint', 'status', '--write-out', 'json')) as {
      Endpoint: string
      Status: { header: { member_id: number }; leader: number }
    }[]
    const found = told.find(({ Status }) => Status.header.member_id === Status.leader)
    return house.endpoints.indexOf(found?.Endpoint ?? '')
  }

  it('go on when their leader is killed, and lose nothing', async () => {
    house = await EtcdHouse.start(3)
    const [store, joined] = [plain(), await joinEtcdStore({ etcd: house.client(), prefix: PREFIX })]
    await write(store, 'a', 'before')
    const at = await leader()
    await house.members[at]?.kill()
    expect(await write(store, 'b', 'after')).toBeLessThan(15_000)
    expect([await show(store, 'a'), await show(store, 'b')]).toEqual([
      'before@1',
      expect.stringMatching(/^after@/),
    ])
    await expect.poll(() => joined.replica?.isCurrent()).toBe(true)
    house.members[at]?.start()
    await house.ready()
    await joined.close()
  })

  it('go on when their leader is frozen, at the first calls', async () => {
    house = await EtcdHouse.start(3)
    const at = await leader()
    // The one that it uses is the frozen one.
    const endpoints = [...house.endpoints.slice(at), ...house.endpoints.slice(0, at)]
    const joined = await joinEtcdStore({ etcd: house.client({ endpoints, deadline: 1_000 }), prefix: PREFIX })
    await write(joined, 'a', 'before')
    house.members[at]?.pause()
    expect(await write(joined, 'b', 'after')).toBeLessThan(15_000)
    await expect.poll(() => joined.replica?.isCurrent()).toBe(true)
    expect(await show(joined, 'a')).toBe('before@1')
    house.members[at]?.resume()
    await joined.close()
  })

  it('of which most are gone answer nothing, and everything when they are back', async () => {
    house = await EtcdHouse.start(3)
    const [store, joined] = [
      plain(),
      await joinEtcdStore({ etcd: house.client({ deadline: 1_000 }), prefix: PREFIX }),
    ]
    await write(store, 'a', 'before')
    await expect.poll(() => joined.replica?.isCurrent()).toBe(true)
    await house.members[1]?.kill()
    await house.members[2]?.kill()
    // The member that is left knows the record, and must not say so: it may be an old one.
    await expect(store.get('principal', 'a')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(store.commit([put('a', 1, 'x')])).rejects.toMatchObject({ code: 'unavailable' })
    await expect.poll(() => joined.replica?.isCurrent()).toBe(false)
    house.members[1]?.start()
    await house.ready(house.members.slice(0, 2))
    await expect.poll(() => joined.replica?.isCurrent()).toBe(true)
    expect(await show(store, 'a')).toMatch(/^(?:before@1|x@2)$/)
    await joined.close()
  })

  it('of which one is replaced go on meanwhile', async () => {
    house = await EtcdHouse.start(3)
    const store = plain()
    await write(store, 'a', 'before')
    await house.members[2]?.kill()
    await write(store, 'b', 'without')
    await house.replace(2)
    expect(await house.operate('member', 'list')).toMatch(/started, n2,/)
    const alone = createEtcdStore({
      etcd: house.client({ endpoints: house.endpoints.slice(2) }),
      prefix: PREFIX,
    })
    expect(await show(alone, 'b')).toMatch(/^without@/)
    await write(alone, 'c', 'by it')
    expect(await show(store, 'c')).toMatch(/^by it@/)
  })
})
