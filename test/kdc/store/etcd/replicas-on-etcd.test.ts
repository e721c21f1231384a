import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Etcd } from '../../../../kdc/store/etcd/etcd.js'
import { MasterKey } from '../../../../kdc/vault/master-key.js'
import {
  decodeAddedPrincipal,
  encodeNewPrincipal,
  NO_LIMITS,
} from '../../../../shared/administration/principals.js'
import { systemRandom } from '../../../../shared/crypto/random.js'
import { systemClock } from '../../../../shared/time.js'
import { systemTimers } from '../../../../shared/timers.js'
import { EtcdHouse, hasEtcd } from '../../../support/etcd.js'
import { type Identity, local, login, outcome } from '../../../support/realm.js'
import { makeRealm, openKdc, type TestKdc } from '../../../support/replicas.js'

/** KDCs on a real etcd, by real clocks. How a machine that is busy delays them says nothing, so limits are wide. */

type Kdc = Omit<TestKdc, 'client'>

/** A way to etcd that carries nothing once it is frozen. */
function freezable(etcd: Etcd): { etcd: Etcd; freeze(): void } {
  let isFrozen = false
  const or = <T>(ask: () => Promise<T>): Promise<T> => (isFrozen ? new Promise(() => {}) : ask())
  const frozen: Etcd = {
    range: question => or(() => etcd.range(question)),
    transact: transaction => or(() => etcd.transact(transaction)),
    watch: (range, { events, ended }) =>
      etcd.watch(range, {
        events: (...told) => {
          if (!isFrozen) events(...told)
        },
        ended: cause => {
          if (!isFrozen) ended(cause)
        },
      }),
    grantLease: ttl => or(() => etcd.grantLease(ttl)),
    keepLease: lease => or(() => etcd.keepLease(lease)),
    revokeLease: lease => or(() => etcd.revokeLease(lease)),
    compact: revision => or(() => etcd.compact(revision)),
    close: () => etcd.close(),
  }
  return {
    etcd: frozen,
    freeze: () => {
      isFrozen = true
    },
  }
}

describe.runIf(hasEtcd)('three KDCs on etcd', () => {
  let house: EtcdHouse
  const kdcs: Kdc[] = []
  let freeze: () => void
  let web: Identity

  beforeAll(async () => {
    house = await EtcdHouse.start()
    const key = systemRandom(32)
    const parts = { clock: systemClock, timers: systemTimers, random: systemRandom }
    await makeRealm(house.client(), new MasterKey(key.slice()), systemRandom, systemClock)
    for (let i = 0; i < 3; i++) {
      const way = freezable(house.client())
      ;({ freeze } = way)
      kdcs.push(await openKdc({ ...parts, etcd: way.etcd, key: new MasterKey(key.slice()) }))
    }
    const fresh = encodeNewPrincipal({ principal: local('web'), password: null, ...NO_LIMITS })
    const added = decodeAddedPrincipal((await kdcs[0]?.call('add', fresh)) ?? [])
    if (added.key === null) throw new Error('no key')
    web = { principal: local('web'), kvno: added.kvno, key: added.key }
  })

  afterAll(async () => {
    for (const kdc of kdcs) await kdc.close()
    await house.end()
  })

  const at = async ({ dispatch }: Kdc): Promise<string> =>
    outcome(await login({ dispatch, clock: systemClock } as unknown as Parameters<typeof login>[0], web))

  const timed = async (run: Promise<unknown>): Promise<number> => {
    const since = performance.now()
    await run
    return performance.now() - since
  }

  const change = (method: 'disable' | 'enable', index = 0): Promise<unknown> =>
    kdcs[index]?.call(method, [web.principal]) ?? Promise.reject(new Error('no KDC'))

  it('refuse at each of them, from its acknowledgement on, what was disabled at one', async () => {
    // The first one waits for whoever may have lost a place before these KDCs had theirs.
    await change('disable')
    const took: number[] = []
    for (let i = 0; i < 5; i++) {
      await change('enable', i % 3)
      for (const kdc of kdcs) await expect.poll(() => at(kdc)).toBe('reply')
      took.push(await timed(change('disable', i % 3)))
      for (const kdc of kdcs) expect(await at(kdc)).toBe('06 principal_disabled')
    }
    console.log(`disable, with three KDCs up: ${took.map(one => one.toFixed(1)).join(', ')} ms`)
    expect(Math.min(...took)).toBeLessThan(500)
  })

  it('wait a while, and no longer, for one that is frozen', async () => {
    const [, , third] = kdcs
    await change('enable')
    for (const kdc of kdcs) await expect.poll(() => at(kdc)).toBe('reply')
    freeze()
    const took = await timed(change('disable'))
    console.log(`disable, with one of three KDCs frozen a moment ago: ${took.toFixed(0)} ms`)
    expect(took).toBeGreaterThan(2_200)
    expect(took).toBeLessThan(5_000)
    for (const kdc of kdcs)
      expect(await at(kdc)).toBe(kdc === third ? '05 unavailable' : '06 principal_disabled')
  })
})
