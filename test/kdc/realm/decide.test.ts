import { describe, expect, it } from 'vitest'
import { decideFromCurrent } from '../../../kdc/realm/decide.js'
import { RECORD_KIND, type RecordKind } from '../../../kdc/store/store.js'
import { ask, grantOf, local, login, outcome, type TestRealm, testRealm } from '../../support/realm.js'

/** What is sealed was decided from what the cache has at that moment. */

async function scene(): Promise<TestRealm> {
  const realm = await testRealm()
  await realm.add('orders')
  await realm.add('web')
  await realm.allow('*', 'orders')
  return realm
}

/** Runs `act` once, while the record of this name is being read for an exchange. */
function whileReading({ store }: TestRealm, kind: RecordKind, name: string, act: () => Promise<unknown>) {
  const get = store.get.bind(store)
  let acted = false
  store.get = async (asked, wanted) => {
    const found = await get(asked, wanted)
    if (!acted && asked === kind && wanted.startsWith(name)) {
      acted = true
      await act()
    }
    return found
  }
}

describe('a change during an exchange', () => {
  it('of the service: what was disabled before the reply is sealed is not granted', async () => {
    const realm = await scene()
    const web = await realm.add('other')
    whileReading(realm, RECORD_KIND.PRINCIPAL, local('orders'), () =>
      realm.call('disable', [local('orders')]),
    )
    const { reply } = await login(realm, web, { services: [local('orders')] })
    expect(reply?.denials).toEqual([{ service: local('orders'), code: 'unknown_service' }])
  })

  it('of the client: a login that meets its disabling gets nothing', async () => {
    const realm = await scene()
    const web = await realm.add('other')
    whileReading(realm, RECORD_KIND.POLICY, '*', () => realm.call('disable', [web.principal]))
    expect(outcome(await login(realm, web, { services: [local('orders')] }))).toBe('06 principal_disabled')
  })

  it('of the client: a TGS request that meets a revocation gets nothing', async () => {
    const realm = await scene()
    const web = await realm.add('other')
    const tgt = grantOf(await login(realm, web))
    whileReading(realm, RECORD_KIND.POLICY, '*', async () => {
      await realm.call('disable', [web.principal])
      await realm.call('enable', [web.principal])
    })
    expect(outcome(await ask(realm, tgt, { services: [local('orders')] }))).toBe('06 revoked')
  })

  it('of a rule: what is denied before the reply is sealed is not granted', async () => {
    const realm = await scene()
    const web = await realm.add('other')
    whileReading(realm, RECORD_KIND.PRINCIPAL, local('orders'), () => realm.deny('other', 'orders'))
    const { reply } = await login(realm, web, { services: [local('orders')] })
    expect(reply?.denials).toEqual([{ service: local('orders'), code: 'policy_denied' }])
  })
})

describe('deciding', () => {
  it('looks once where nothing changed, or only what it did not look at', async () => {
    const realm = await scene()
    const { directory } = realm.realm
    let looks = 0
    const found = await decideFromCurrent(
      directory,
      async view => {
        looks += 1
        const record = await view.principal(local('web'))
        if (looks === 1) await realm.call('disable', [local('orders')])
        return record
      },
      record => record?.name,
    )
    expect([found, looks]).toEqual([local('web'), 1])
  })

  it('gives up where its records never stand still', async () => {
    const realm = await scene()
    let looks = 0
    const decided = decideFromCurrent(
      realm.realm.directory,
      async view => {
        looks += 1
        const record = await view.principal(local('web'))
        await realm.amend('web', record => ({ ...record, changedAt: record.changedAt + 1 }))
        return record
      },
      () => 'sealed',
    )
    await expect(decided).rejects.toMatchObject({
      code: 'unavailable',
      reason: expect.stringContaining('changing'),
    })
    expect(looks).toBe(10)
  })
})
