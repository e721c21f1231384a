import { describe, expect, it } from 'vitest'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { createParamsRequest, decodeParamsReply } from '../../../shared/exchange/params.js'
import { ADDRESS, local, type TestRealm, testRealm } from '../../support/realm.js'

async function paramsOf({ dispatch }: TestRealm, name: string) {
  return decodeParamsReply(await dispatch(createParamsRequest(local(name)), ADDRESS))
}

describe('the PARAMS exchange', () => {
  const parameters = { log2N: 18, r: 8, p: 1, salt: systemRandom(16) }
  const password = { parameters, key: new LongTermKey(systemRandom(32)) }

  it('reports a password’s salt and parameters', async () => {
    const realm = await testRealm()
    await realm.add('person', { password })
    expect(await paramsOf(realm, 'person')).toEqual(parameters)
    await realm.call('disable', [local('person')])
    expect(await paramsOf(realm, 'person')).toEqual(parameters)
  })

  it('reports for every other name always the same salt and parameters', async () => {
    const realm = await testRealm()
    const before = await paramsOf(realm, 'web')
    expect(before).toMatchObject({ log2N: 17, r: 8, p: 1 })
    expect(before.salt).toHaveLength(16)
    await realm.add('web')
    expect(await paramsOf(realm, 'web')).toEqual(before)
    await realm.call('remove', [local('web')])
    expect(await paramsOf(realm, 'web')).toEqual(before)
  })

  it('reports those again when a person is removed, or gets a key', async () => {
    const realm = await testRealm()
    const before = await paramsOf(realm, 'person')
    await realm.add('person', { password })
    await realm.call('remove', [local('person')])
    expect(await paramsOf(realm, 'person')).toEqual(before)
    await realm.add('person')
    expect(await paramsOf(realm, 'person')).toEqual(before)
  })

  it('invents another salt for each name and each realm', async () => {
    const one = await testRealm()
    const two = await testRealm()
    const salts = await Promise.all([
      paramsOf(one, 'a'),
      paramsOf(one, 'b'),
      paramsOf(one, 'a@other.example'),
      paramsOf(one, 'krbtgt'),
      paramsOf(two, 'a'),
    ])
    expect(new Set(salts.map(({ salt }) => Buffer.from(salt).toString('hex'))).size).toBe(5)
  })
})
