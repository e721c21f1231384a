import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import type { Caller } from '../../../kdc/admin/role.js'
import { REFUSALS_KEPT } from '../../../kdc/limits/defaults.js'
import { RefusalMemory } from '../../../kdc/report/refusals.js'
import { decodeRefusals, type KeptRefusal } from '../../../shared/administration/refusals.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { refusalId, refusalIdOf } from '../../../shared/encoding/refusal-id.js'
import { createAsRequest } from '../../../shared/exchange/as.js'
import { createParamsRequest } from '../../../shared/exchange/params.js'
import type { Principal } from '../../../shared/principal.js'
import {
  ADDRESS,
  administrator,
  callerOf,
  type Identity,
  local,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

const admin = administrator(local('admin'))

async function told(
  realm: TestRealm,
  id: string,
  caller: Caller | undefined = admin,
): Promise<KeptRefusal[]> {
  const context = { ...ownContext(realm.realm, realm.context.report), caller }
  return [...decodeRefusals(await callMethod(context, 'refusal', [id, null])).refusals]
}

/** Logs in for the services. @returns the id by which the client knows what was refused */
async function refused(
  realm: TestRealm,
  client: Identity,
  services: Principal[],
  time = START,
): Promise<string> {
  const { principal, kvno, key } = client
  const question = {
    client: principal,
    kvno,
    time,
    nonce: systemRandom(16),
    services,
    lifetime: 0,
    renewable: false,
  }
  const request = createAsRequest(key, question)
  await realm.dispatch(request.bytes, ADDRESS)
  return refusalId(request.mac)
}

describe('the id of a refusal', () => {
  it('is known to both sides without a place in the answer', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const request = createAsRequest(web.key, {
      client: web.principal,
      kvno: 1,
      time: START,
      nonce: systemRandom(16),
      services: [],
      lifetime: 0,
      renewable: false,
    })
    expect(refusalIdOf(request.bytes)).toBe(refusalId(request.mac))
    expect(refusalIdOf(createParamsRequest(web.principal))).toBeNull()
    for (const bytes of [[], [1], [1, 1], [1, 1, 0x90]])
      expect(refusalIdOf(Uint8Array.from(bytes))).toBeNull()
  })

  it('leads to the rule, for each service that was denied', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.add('orders')
    await realm.deny('*', 'orders')
    const id = await refused(realm, web, ['orders', 'ghost', 'kdc'].map(local))
    expect(await told(realm, id)).toEqual([
      {
        id,
        at: START,
        exchange: 'AS',
        client: web.principal,
        claimed: null,
        service: local('orders'),
        code: 'policy_denied',
        reason: 'a rule denies it',
        rule: { client: '*', service: local('orders'), effect: 'deny' },
        hint: null,
      },
      expect.objectContaining({ service: local('ghost'), reason: 'no rule allows it', rule: null }),
    ])
    const lines = realm.logger.lines.filter(({ message }) => message === 'ticket denied')
    expect(lines.map(({ fields }) => Reflect.get(fields, 'id'))).toEqual([id, id])
  })

  it('leads to why a whole request was refused', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const late = await refused(realm, web, [], START - 3_600_000)
    expect(await told(realm, late)).toMatchObject([{ code: 'clock_skew', service: null }])
    await realm.call('disable', [local('web')])
    const id = await refused(realm, web, [])
    expect(await told(realm, id)).toMatchObject([
      {
        code: 'principal_disabled',
        client: local('web'),
        claimed: null,
        reason: 'web@demo.example is disabled',
      },
    ])
  })
})

describe('who is told of a refusal', () => {
  const scene = async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.allow('web', '*')
    return { realm, web, id: await refused(realm, web, [local('ghost')]) }
  }

  it('is its client, without what asking for a ticket would not tell it', async () => {
    const { realm, id } = await scene()
    const [own] = await told(realm, id, callerOf(local('web')))
    expect(own).toMatchObject({ code: 'unknown_service', rule: { service: '*' } })
    expect(own?.reason).toBe('there is no such service, or it is disabled, has expired or has no key')
    expect(await told(realm, id)).toMatchObject([{ reason: 'there is no such service' }])
  })

  it.each<[string, Partial<Caller>]>([
    ['another principal', { client: local('orders') }],
    ['the service that was asked for', { client: local('ghost') }],
    ['a delegate of its client', { via: local('gate') }],
    ['the holder of a narrowed ticket', { caveats: [{ name: 'services', services: [local('kdc')] }] }],
  ])('is not %s, who is answered as if there were none', async (_, caller) => {
    const { realm, id } = await scene()
    const by = { ...callerOf(local('web')), ...caller }
    expect(await told(realm, id, by)).toEqual([])
    expect(await told(realm, '0123456789ab', by)).toEqual([])
  })

  it('is an owner of the service that was asked for, and of no other', async () => {
    const { realm, id } = await scene()
    await realm.add('ann')
    for (const [owned, count] of [
      ['ghost', 1],
      ['orders', 0],
    ] as const) {
      await realm.allow('ann', 'kdc', { claims: [['owner', owned]] })
      const owner: Caller = { ...callerOf(local('ann')), claims: [['owner', owned]] }
      expect(await told(realm, id, owner)).toHaveLength(count)
    }
    const late = await refused(realm, await realm.add('late'), [], START - 3_600_000)
    expect(await told(realm, late, { ...callerOf(local('ann')), claims: [['owner', 'ghost']] })).toEqual([])
  })

  it('is only an administrator, where nobody proved a key', async () => {
    const { realm, web } = await scene()
    const thief = { ...web, key: realm.admin.key }
    const id = await refused(realm, thief, [])
    expect(await told(realm, id, callerOf(local('web')))).toEqual([])
    expect(await told(realm, id)).toMatchObject([
      { client: null, claimed: local('web'), reason: 'the MAC does not match the key' },
    ])
  })

  it.each(['', 'xyz', '0123456789AB', '0123456789abc'])('is nobody who asks for %j', async id => {
    const { realm } = await scene()
    await expect(told(realm, id)).rejects.toMatchObject({ code: 'malformed' })
  })
})

describe('what is remembered of refusals', () => {
  const refusal = (client: Principal | undefined, id: string, rest = {}) =>
    ({
      kind: 'request_refused',
      id,
      origin: { exchange: 'AS', address: ADDRESS, ...(client === undefined ? {} : { client }) },
      code: 'clock_skew',
      reason: 'late',
      facts: {},
      ...rest,
    }) as const
  const numbered = (i: number) => String(i).padStart(12, '0')

  it('is bounded for each client, and nobody drives out what was refused to another', () => {
    const memory = new RefusalMemory(() => 0)
    memory.listen(refusal(local('web'), numbered(0)))
    for (let i = 1; i <= REFUSALS_KEPT.UNPROVED + 5; i++) {
      memory.listen(refusal(undefined, numbered(i)))
      memory.listen(refusal(local('eve'), numbered(i)))
    }
    expect(memory.find(numbered(0))).toHaveLength(1)
    expect(memory.find(numbered(5))).toHaveLength(0)
    expect(memory.find(numbered(6)).map(({ client }) => client)).toEqual([null])
    const last = REFUSALS_KEPT.UNPROVED + 5
    expect(memory.findOf(local('eve'), numbered(last - REFUSALS_KEPT.PER_CLIENT))).toHaveLength(0)
    expect(memory.findOf(local('eve'), numbered(last - REFUSALS_KEPT.PER_CLIENT + 1))).toHaveLength(1)
  })

  it('forgets the clients that were refused the longest ago', () => {
    const memory = new RefusalMemory(() => 0)
    for (let i = 0; i <= REFUSALS_KEPT.CLIENTS; i++) memory.listen(refusal(local(`c${i}`), numbered(i)))
    expect(memory.find(numbered(0))).toEqual([])
    expect(memory.find(numbered(1))).toHaveLength(1)
  })

  it('is not whether a password is right that may have been guessed', () => {
    const memory = new RefusalMemory(() => 0)
    const reason = 'the password is right, but may have been guessed: too many'
    memory.listen(refusal(undefined, numbered(1), { code: 'rate_limited', reason }))
    expect(memory.find(numbered(1))).toMatchObject([{ reason: 'too many requests' }])
  })

  it('is nothing of calls in channels, which are answered with their reason', () => {
    const memory = new RefusalMemory(() => 0)
    memory.listen({ ...refusal(local('web'), ''), id: null })
    expect(memory.find('')).toEqual([])
  })
})
