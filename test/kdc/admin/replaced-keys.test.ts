import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import type { Caller } from '../../../kdc/admin/role.js'
import { newPrincipal } from '../../../kdc/realm/principal.js'
import { RECORD_KIND } from '../../../kdc/store/store.js'
import { encodePrincipalRecord, type PrincipalRecord } from '../../../kdc/vault/records.js'
import {
  decodeKvno,
  decodePasswordWasReset,
  decodeReplacedKey,
  decodeStagedKey,
  encodePasswordReset,
} from '../../../shared/administration/keys.js'
import { encodePasswordKey, type PasswordKey } from '../../../shared/administration/principals.js'
import { toHex } from '../../../shared/bytes.js'
import { deriveNextKey } from '../../../shared/crypto/derive.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { parametersWith } from '../../../shared/exchange/params.js'
import type { Pattern } from '../../../shared/pattern.js'
import type { RevocationEntry } from '../../../shared/revocation/entry.js'
import { HOUR, MINUTE } from '../../../shared/time.js'
import {
  administrator,
  ask,
  callerOf,
  grantOf,
  type Identity,
  local,
  login,
  outcome,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

const person = (): PasswordKey => ({
  parameters: parametersWith(systemRandom(16)),
  key: new LongTermKey(systemRandom(32)),
})

function callAs(
  realm: TestRealm,
  caller: Caller | undefined,
  method: string,
  args: readonly Value[],
): Promise<Value[]> {
  return callMethod({ ...ownContext(realm.realm, realm.context.report), caller }, method, args)
}

async function log({ realm }: TestRealm): Promise<RevocationEntry[]> {
  await realm.revocations.settle()
  return realm.revocations.entries(1, 100)
}

const statesOf = ({ keys }: PrincipalRecord): string[] => keys.map(({ kvno, state }) => `${kvno} ${state}`)

async function staged(realm: TestRealm, holder: Identity): Promise<Identity> {
  const args = [holder.kvno]
  const { kvno, salt } = decodeStagedKey(await callAs(realm, callerOf(holder.principal), 'next-key', args))
  return { ...holder, kvno, key: deriveNextKey(holder.key, salt) }
}

/** An invitation for a principal, as the store has it. */
async function invite(
  { vault, realm }: TestRealm,
  name: Identity['principal'],
  target: string,
): Promise<void> {
  const record = newPrincipal({
    name,
    key: new LongTermKey(systemRandom(32)),
    invitation: {
      ...NO_USE,
      target: local(target) as string as Pattern,
      invitedBy: null,
    },
    expiresAt: START + HOUR,
    now: START,
    random: realm.random,
  })
  await vault.commit([
    { kind: RECORD_KIND.PRINCIPAL, name, expected: 0, fields: encodePrincipalRecord(record) },
  ])
}

const NO_USE = { uses: 1, used: 0, staged: [], principalsLife: null, lastUsedAt: null, lastUsedFrom: null }

describe('replace-key', () => {
  it('leaves one fresh key, which only the caller is told, and ends everything older', async () => {
    const realm = await testRealm()
    const [web, user] = [await realm.add('web'), await realm.add('user')]
    await realm.allow('*', 'web')
    const next = await staged(realm, web)
    const tgt = grantOf(await login(realm, web))
    const { clientId } = await realm.record('web')
    const { kvno, key, seq } = decodeReplacedKey(await realm.call('replace-key', [web.principal]))
    const record = await realm.record('web')
    expect([kvno, statesOf(record), record.lastKvno]).toEqual([3, ['3 current'], 3])
    expect(toHex(revealKey(record.keys[0]?.key ?? key))).toBe(toHex(revealKey(key)))
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    for (const old of [web, next]) expect(outcome(await login(realm, old))).toBe('05 auth_failed')
    expect(outcome(await login(realm, { ...web, kvno, key }))).toBe('reply')
    const entries = await log(realm)
    expect(entries).toMatchObject([
      { kind: 'client', principal: web.principal, by: clientId },
      { kind: 'key', principal: web.principal, by: 2 },
    ])
    expect(seq).toBe(entries.at(-1)?.seq)
    const asked = { services: [web.principal] }
    expect(grantOf(await login(realm, user, asked), 1).service).toBe(web.principal)
  })

  it('ends invitations for the principal, and no others', async () => {
    const realm = await testRealm()
    await realm.add('web')
    const [own, other] = [local('invite-0123456789abcdef'), local('invite-fedcba9876543210')]
    await invite(realm, own, 'web')
    await invite(realm, other, 'orders')
    const before = await realm.record('invite-0123456789abcdef')
    await realm.call('replace-key', [local('web')])
    const after = await realm.record('invite-0123456789abcdef')
    expect(toHex(after.clientId)).not.toBe(toHex(before.clientId))
    const entries = await log(realm)
    expect(entries.filter(({ principal }) => principal === own)).toMatchObject([
      { kind: 'client', by: before.clientId },
    ])
    expect(entries.some(({ principal }) => principal === other)).toBe(false)
  })

  it('gives a key to a principal that has none', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.call('revoke-key', [web.principal])
    const { kvno, key } = decodeReplacedKey(await realm.call('replace-key', [web.principal]))
    expect(kvno).toBe(2)
    expect(outcome(await login(realm, { ...web, kvno, key }))).toBe('reply')
  })

  it('is what was asked for by rotate', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.call('rotate', [local('web')])
    await realm.call('replace-key', [local('web')])
    expect((await realm.record('web')).rotationAskedAt).toBeNull()
  })

  it.each<[string, string, string, RegExp]>([
    ['krbtgt', 'krbtgt', 'not_authorized', /the KDC needs it/],
    [
      'kdc',
      'kdc',
      'not_authorized',
      /the KDC needs it.*run: orthrus admin rotate kdc; after a theft: orthrus admin revoke key kdc/,
    ],
    [
      'the caller itself',
      'admin',
      'not_authorized',
      /by itself.*keytab refresh FILE; after a theft another administrator.*admin rotate admin --keytab FILE --admin-keytab OTHER/,
    ],
    ['a person', 'ann', 'malformed', /reset-password ann/],
    ['nobody', 'ghost', 'unknown_service', /no principal/],
  ])('refuses %s', async (_, name, code, message) => {
    const realm = await testRealm()
    await realm.add('ann', { password: person() })
    const before = await realm.store.list('principal', { limit: 10 })
    const called = callAs(realm, administrator(local('admin')), 'replace-key', [local(name)])
    await expect(called).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(await realm.store.list('principal', { limit: 10 })).toEqual(before)
  })
})

describe('reset-password', () => {
  const reset = async (realm: TestRealm, name: string, password: PasswordKey) =>
    decodePasswordWasReset(
      await realm.call('reset-password', encodePasswordReset({ principal: local(name), password })),
    )

  it('sets the password and its parameters, and ends everything older', async () => {
    const realm = await testRealm()
    const ann = await realm.add('ann', { password: person() })
    const tgt = grantOf(await login(realm, { ...ann, kvno: 0 }))
    const password = person()
    const { kvno, seq } = await reset(realm, 'ann', password)
    expect(kvno).toBe(2)
    expect(await realm.record('ann')).toMatchObject({ password: password.parameters, lastKvno: 2 })
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect(outcome(await login(realm, { ...ann, kvno: 0 }))).toBe('05 auth_failed')
    expect(outcome(await login(realm, { ...ann, kvno: 0, key: password.key }))).toBe('reply')
    expect((await log(realm)).at(-1)?.seq).toBe(seq)
  })

  it('gives a password back to a person whose key was revoked', async () => {
    const realm = await testRealm()
    const ann = await realm.add('ann', { password: person() })
    await realm.call('revoke-key', [ann.principal])
    const password = person()
    await reset(realm, 'ann', password)
    expect(outcome(await login(realm, { ...ann, kvno: 0, key: password.key }))).toBe('reply')
  })

  it.each([16, 21])('refuses parameters out of bounds: 2^%d', async log2N => {
    const realm = await testRealm()
    await realm.add('ann', { password: person() })
    const password = person()
    const unsound = { ...password, parameters: { ...password.parameters, log2N } }
    await expect(reset(realm, 'ann', unsound)).rejects.toMatchObject({ code: 'malformed' })
    expect((await realm.record('ann')).lastKvno).toBe(1)
  })

  it('refuses a principal with a random key, the caller itself, and the KDC', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await expect(reset(realm, 'web', person())).rejects.toMatchObject({ code: 'malformed' })
    const hints = {
      krbtgt: /the KDC needs it/,
      kdc: /the KDC needs it/,
      admin: /orthrus passwd admin@demo.example/,
    }
    for (const [name, message] of Object.entries(hints)) {
      const args = encodePasswordReset({ principal: local(name), password: person() })
      const called = callAs(realm, administrator(local('admin')), 'reset-password', args)
      await expect(called).rejects.toMatchObject({
        code: 'not_authorized',
        message: expect.stringMatching(message),
      })
    }
  })
})

describe('new-password', () => {
  const change = async (realm: TestRealm, caller: Caller, password: PasswordKey): Promise<number> =>
    decodeKvno(await callAs(realm, caller, 'new-password', encodePasswordKey(password)))

  it('is current at once: the one before is dead, and so are all tickets of its sessions', async () => {
    const realm = await testRealm()
    const ann = await realm.add('ann', { password: person() })
    const tgt = grantOf(await login(realm, { ...ann, kvno: 0 }))
    const { clientId } = await realm.record('ann')
    const password = person()
    expect(await change(realm, callerOf(ann.principal), password)).toBe(2)
    const record = await realm.record('ann')
    expect(statesOf(record)).toEqual(['2 current'])
    expect(record.password).toEqual(password.parameters)
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect(outcome(await login(realm, { ...ann, kvno: 0 }))).toBe('05 auth_failed')
    expect(outcome(await login(realm, { ...ann, kvno: 0, key: password.key }))).toBe('reply')
    expect(await log(realm)).toMatchObject([{ kind: 'client', principal: ann.principal, by: clientId }])
  })

  it.each<[string, Partial<PasswordKey['parameters']>]>([
    ['too cheap', { log2N: 16 }],
    ['too dear', { log2N: 21 }],
    ['with another r', { r: 7 }],
    ['with another p', { p: 2 }],
  ])('is malformed with parameters %s', async (_, parameters) => {
    const realm = await testRealm()
    const ann = await realm.add('ann', { password: person() })
    const password = person()
    const changed = { ...password, parameters: { ...password.parameters, ...parameters } }
    await expect(change(realm, callerOf(ann.principal), changed)).rejects.toMatchObject({ code: 'malformed' })
    expect((await realm.record('ann')).lastKvno).toBe(1)
  })

  it('is for passwords only: whoever stole a session of a service does not come to have its key', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await expect(change(realm, callerOf(web.principal), person())).rejects.toMatchObject({
      code: 'malformed',
    })
    expect(outcome(await login(realm, web))).toBe('reply')
  })

  it('needs a fresh login of its own, without caveats', async () => {
    const realm = await testRealm()
    const { principal } = await realm.add('ann', { password: person() })
    const caveat = { name: 'expires', time: START + HOUR } as const
    const refused: (Caller | undefined)[] = [
      undefined,
      callerOf(principal, START - 5 * MINUTE - 1),
      { ...callerOf(principal), via: local('web') },
      { ...callerOf(principal), caveats: [caveat] },
    ]
    for (const caller of refused) {
      const called = callAs(realm, caller, 'new-password', encodePasswordKey(person()))
      await expect(called).rejects.toMatchObject({ code: 'not_authorized' })
    }
    expect((await realm.record('ann')).lastKvno).toBe(1)
  })
})

describe('a store that fails while keys are replaced', () => {
  it.each([
    ['replace-key', true],
    ['replace-key', false],
    ['reset-password', true],
    ['reset-password', false],
  ] as const)('%s, having written it: %s: tells of it, and the next call wins', async (method, writes) => {
    const realm = await testRealm()
    const isPerson = method === 'reset-password'
    const web = await realm.add('web', isPerson ? { password: person() } : {})
    const args = () =>
      isPerson ? encodePasswordReset({ principal: web.principal, password: person() }) : [web.principal]
    const commit = realm.store.commit.bind(realm.store)
    realm.store.commit = async changes => {
      realm.store.commit = commit
      if (writes) await commit(changes)
      throw new Error('EIO')
    }
    await expect(realm.call(method, args())).rejects.toThrow('EIO')
    expect(realm.logger.lines.at(-1)).toMatchObject({
      level: 'error',
      fields: { method, on: [web.principal] },
    })
    const old = { ...web, kvno: isPerson ? 0 : 1 }
    expect(outcome(await login(realm, old))).toBe(writes ? '05 auth_failed' : 'reply')
    await realm.call(method, args())
    const { lastKvno } = await realm.record('web')
    expect(lastKvno).toBe(writes ? 3 : 2)
    expect(outcome(await login(realm, old))).toBe('05 auth_failed')
    const keys = (await log(realm)).filter(({ kind }) => kind === 'key')
    expect(keys.map(({ by }) => by)).toEqual(writes ? [1, 2] : [1])
  })
})
