import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import type { Caller } from '../../../kdc/admin/role.js'
import type { PrincipalRecord } from '../../../kdc/vault/records.js'
import {
  decodeOwnKeys,
  decodeStagedKey,
  type OwnKeys,
  type StagedKey,
} from '../../../shared/administration/keys.js'
import type { OwnMethod } from '../../../shared/administration/methods.js'
import { toHex } from '../../../shared/bytes.js'
import { deriveNextKey } from '../../../shared/crypto/derive.js'
import { type LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { parametersWith } from '../../../shared/exchange/params.js'
import { DAY, MINUTE } from '../../../shared/time.js'
import {
  administrator,
  callerOf,
  type Identity,
  local,
  login,
  outcome,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

function callAs(
  realm: TestRealm,
  caller: Caller,
  method: OwnMethod,
  args: readonly Value[] = [],
): Promise<Value[]> {
  return callMethod({ ...ownContext(realm.realm, realm.context.report), caller }, method, args)
}

async function keysOf(realm: TestRealm, { principal }: Identity): Promise<OwnKeys> {
  return decodeOwnKeys(await callAs(realm, callerOf(principal, realm.clock.now()), 'keys'))
}

async function stage(realm: TestRealm, { principal, kvno }: Identity): Promise<StagedKey> {
  return decodeStagedKey(await callAs(realm, callerOf(principal, realm.clock.now()), 'next-key', [kvno]))
}

/** The holder with its next key. */
function following(holder: Identity, { kvno, salt }: StagedKey): Identity {
  return { ...holder, kvno, key: deriveNextKey(holder.key, salt) }
}

const hexOf = ({ keys }: PrincipalRecord): string[] => keys.map(({ key }) => toHex(revealKey(key)))
const statesOf = ({ keys }: PrincipalRecord): string[] => keys.map(({ kvno, state }) => `${kvno} ${state}`)

describe('next-key', () => {
  it('stages the key that its holder derives, which seals nothing yet', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const staged = await stage(realm, web)
    const record = await realm.record('web')
    expect(statesOf(record)).toEqual(['2 next', '1 current'])
    expect(hexOf(record)).toEqual([following(web, staged), web].map(({ key }) => toHex(revealKey(key))))
    expect(outcome(await login(realm, web))).toBe('reply')
    expect(statesOf(await realm.record('web'))).toEqual(['2 next', '1 current'])
  })

  it('draws another key each time, under another kvno, and erases what was staged before', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const [first, second] = [await stage(realm, web), await stage(realm, web)]
    expect([first.kvno, second.kvno]).toEqual([2, 3])
    expect(toHex(first.salt)).not.toBe(toHex(second.salt))
    expect(hexOf(await realm.record('web'))).not.toContain(toHex(revealKey(following(web, first).key)))
    expect(outcome(await login(realm, following(web, first)))).toBe('05 auth_failed')
    expect(outcome(await login(realm, following(web, second)))).toBe('reply')
  })

  it('gives calls at the same time a kvno each, and the last one wins', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const staged = await Promise.all(Array.from({ length: 8 }, () => stage(realm, web)))
    expect(new Set(staged.map(({ kvno }) => kvno)).size).toBe(8)
    const outcomes: string[] = []
    for (const one of staged) outcomes.push(outcome(await login(realm, following(web, one))))
    expect(outcomes).toEqual([...Array(7).fill('05 auth_failed'), 'reply'])
  })

  it('says which kvno is current to whoever names another one', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const { kvno } = await stage(realm, web)
    for (const wrong of [kvno, kvno + 1]) {
      await expect(stage(realm, { ...web, kvno: wrong })).rejects.toMatchObject({ code: 'malformed' })
    }
    expect(statesOf(await realm.record('web'))).toEqual(['2 next', '1 current'])
  })

  const person = { parameters: parametersWith(systemRandom(16)) }
  it.each<[string, (record: PrincipalRecord) => Partial<PrincipalRecord>, string, RegExp]>([
    [
      'with a password',
      ({ keys }) => ({
        password: person.parameters,
        keys: keys.map(key => ({ ...key, fromPassword: true })),
      }),
      'malformed',
      /orthrus passwd web/,
    ],
    ['without a current key', () => ({ keys: [] }), 'malformed', /no current key/],
    [
      'with a staged key alone',
      ({ keys }) => ({ keys: keys.map(key => ({ ...key, state: 'next' })) }),
      'malformed',
      /no current key/,
    ],
    ['that was removed', () => ({ removed: true, keys: [] }), 'unknown_service', /no principal/],
  ])('is refused to a principal %s', async (_, change, code, message) => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.amend('web', record => ({ ...record, ...change(record) }))
    const before = await realm.store.get('principal', web.principal)
    await expect(stage(realm, web)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(await realm.store.get('principal', web.principal)).toEqual(before)
  })

  it.each<[string, Value[]]>([
    ['no kvno', []],
    ['a kvno of 0', [0]],
    ['a text', ['1']],
    ['two', [1, 1]],
    ['the name of another', [local('orders')]],
  ])('is malformed with %s', async (_, args) => {
    const realm = await testRealm()
    const { principal } = await realm.add('web')
    await expect(callAs(realm, callerOf(principal), 'next-key', args)).rejects.toMatchObject({
      code: 'malformed',
    })
  })
})

describe('keys', () => {
  it('shows states and ages of the own keys, and none of their bytes', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    realm.clock.pass(DAY)
    await stage(realm, web)
    expect(await keysOf(realm, web)).toEqual({
      keys: [
        { kvno: 2, state: 'next', createdAt: START + DAY },
        { kvno: 1, state: 'current', createdAt: START },
      ],
      due: null,
    })
  })

  it('says when the current key is due, by the realm or because an administrator asked', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.amend('web', record => ({ ...record, rotationAskedAt: START + 5 }))
    expect((await keysOf(realm, web)).due).toBe(START + 5)
  })

  it('is for the principal alone, with a fresh ticket of its own', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const fresh = callerOf(web.principal)
    const caveat = { name: 'expires', time: START + DAY } as const
    const refused: Caller[] = [
      { ...fresh, via: local('orders') },
      { ...fresh, caveats: [caveat] },
      callerOf(web.principal, START - 5 * MINUTE - 1),
      { ...administrator(web.principal), via: local('admin') },
    ]
    for (const method of ['keys', 'next-key'] as const) {
      for (const caller of refused) {
        await expect(callAs(realm, caller, method, [1])).rejects.toMatchObject({ code: 'not_authorized' })
      }
      const own = callMethod(ownContext(realm.realm, realm.context.report), method, [1])
      await expect(own).rejects.toMatchObject({ code: 'not_authorized' })
    }
    expect(statesOf(await realm.record('web'))).toEqual(['1 current'])
  })
})

describe('the log of key changes', () => {
  it('says who staged and who promoted which kvno, and has no key', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const staged = await stage(realm, web)
    const next = following(web, staged)
    await login(realm, next)
    const told = realm.logger.lines.filter(({ message }) => message === 'administration').slice(1)
    const by = [web.principal]
    expect(told.map(({ fields }) => fields)).toEqual([
      { by, method: 'next-key', on: [web.principal], kvno: 2 },
      { by, method: 'promote', on: [web.principal], kvno: 2 },
    ])
    for (const key of [web.key, next.key] as LongTermKey[]) {
      const bytes = Buffer.from(revealKey(key))
      for (const form of ['hex', 'base64', 'base64url'] as const) {
        expect(JSON.stringify(realm.logger.lines)).not.toContain(bytes.toString(form))
      }
    }
  })
})
