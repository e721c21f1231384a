import { describe, expect, it } from 'vitest'
import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { DEFAULT_LIMITS } from '../../kdc/limits/defaults.js'
import { createRateLimits } from '../../kdc/limits/rate-limits.js'
import { decodeStagedKey } from '../../shared/administration/keys.js'
import { encodePasswordKey } from '../../shared/administration/principals.js'
import { toHex } from '../../shared/bytes.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { encode, type Value } from '../../shared/encoding/encoding.js'
import { parametersWith } from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { sealTicket } from '../../shared/ticket/ticket.js'
import { HOUR } from '../../shared/time.js'
import { enrol, invite } from '../support/invitations.js'
import {
  ask,
  callerOf,
  denialsOf,
  grantOf,
  type Identity,
  krbtgt,
  local,
  login,
  openedBy,
  outcome,
  type TestRealm,
  testRealm,
} from '../support/realm.js'
import { restarted } from '../support/restart.js'

/** Attacks on keys that change, and on hosts that get theirs with a code. */

const HOME = '192.0.2.1'
const botnet = (i: number): string => `10.0.${i >> 8}.${i & 255}`
const randomKey = (): LongTermKey => new LongTermKey(systemRandom(32))

/** What a principal calls about itself, after a login of this moment. */
function callAs(realm: TestRealm, principal: Principal, method: string, args: Value[]): Promise<Value[]> {
  const caller = callerOf(principal, realm.clock.now())
  return callMethod({ ...ownContext(realm.realm, realm.context.report), caller }, method, args)
}

/** The holder with the key that it has staged. */
async function stage(realm: TestRealm, holder: Identity): Promise<Identity> {
  const results = await callAs(realm, holder.principal, 'next-key', [holder.kvno])
  const { kvno, salt } = decodeStagedKey(results)
  return { ...holder, kvno, key: deriveNextKey(holder.key, salt) }
}

describe('guesses at the keys of a host', () => {
  it.each(['from everywhere', 'from its own address'])(
    'keep it neither from changing its key nor from joining: %s',
    async where => {
      const few = { points: 5, interval: HOUR }
      const rates = createRateLimits({ ...DEFAULT_LIMITS, failedLoginsPerName: few }, () => 0)
      const realm = await testRealm({ rates })
      const [web, code] = [await realm.add('web'), await invite(realm, 'stock')]
      const tgt = grantOf(await login(realm, web, {}, HOME))
      const guess = async (...names: Principal[]): Promise<void> => {
        for (let i = 0; i < 30; i++) {
          const address = where === 'from everywhere' ? botnet(i) : HOME
          const guessed = { kvno: 1 + (i % 3), key: randomKey() }
          for (const principal of names) await login(realm, { principal, ...guessed }, {}, address)
        }
      }
      await guess(web.principal, code.principal, local('stock'))
      const [next, joining] = [await stage(realm, web), await enrol(realm, code)]
      await guess(web.principal, code.principal, local('stock'))
      expect(outcome(await login(realm, code, {}, HOME))).toBe('reply')
      for (const each of [next, joining]) expect(outcome(await login(realm, each, {}, HOME))).toBe('reply')
      expect(outcome(await ask(realm, tgt))).toBe('reply')
    },
  )

  it('keep a person with a session from changing the password as little', async () => {
    const few = { points: 5, interval: HOUR }
    const rates = createRateLimits({ ...DEFAULT_LIMITS, failedLoginsPerName: few }, () => 0)
    const realm = await testRealm({ rates })
    const chosen = () => ({ parameters: parametersWith(systemRandom(16)), key: randomKey() })
    const ann = await realm.add('ann', { password: chosen() })
    expect(outcome(await login(realm, ann, {}, HOME))).toBe('reply')
    const guess = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await login(realm, { ...ann, key: randomKey() }, {}, botnet(i))
    }
    await guess()
    expect(outcome(await login(realm, ann, {}, botnet(99)))).toBe('05 rate_limited')
    expect(outcome(await login(realm, ann, {}, HOME))).toBe('reply')
    const password = chosen()
    await callAs(realm, ann.principal, 'new-password', encodePasswordKey(password))
    await guess()
    expect(outcome(await login(realm, { ...ann, kvno: 2, key: password.key }, {}, HOME))).toBe('reply')
    expect(outcome(await login(realm, ann, {}, HOME))).toBe('05 rate_limited')
  })
})

describe('a new key', () => {
  it('was never one before, and comes without any that was, by whatever way and after any restart', async () => {
    let realm = await testRealm()
    /** By name and kvno, hexadecimal. */
    const known = new Map<string, string>()
    const look = async (...names: string[]): Promise<void> => {
      for (const name of names) {
        for (const { kvno, key } of (await realm.record(name)).keys) {
          const [id, hex] = [`${name} ${kvno}`, toHex(revealKey(key))]
          const before = known.get(id)
          if (before === undefined) expect([...known.values()], id).not.toContain(hex)
          expect(before ?? hex, id).toBe(hex)
          known.set(id, hex)
        }
      }
    }
    /** What is answered has at most the fresh key in it, and none that was there before. */
    const freshOnly = async (what: string, results: readonly Value[]): Promise<void> => {
      const answered = toHex(encode([...results]))
      for (const [id, hex] of known) expect(answered.includes(hex), `${id} in ${what}`).toBe(false)
    }
    const call = async (method: 'rotate' | 'replace-key' | 'remove', name: string): Promise<void> =>
      freshOnly(method, await realm.call(method, [local(name)]))
    let web = await realm.add('web')
    for (let round = 0; round < 4; round++) {
      await look('web', 'krbtgt', 'kdc')
      const count = known.size
      await freshOnly('keys', await callAs(realm, web.principal, 'keys', []))
      await stage(realm, web)
      await look('web')
      const next = await stage(realm, web)
      await look('web')
      expect(outcome(await login(realm, next))).toBe('reply')
      await call('replace-key', 'web')
      await look('web')
      const code = await invite(realm, 'web')
      const first = await enrol(realm, code)
      await look('web')
      const joined = await enrol(realm, code)
      await look('web')
      expect(toHex(revealKey(first.key))).not.toBe(toHex(revealKey(joined.key)))
      expect(outcome(await login(realm, joined))).toBe('reply')
      await call('rotate', 'krbtgt')
      await call('rotate', 'kdc')
      await look('web', 'krbtgt', 'kdc')
      await call('remove', 'web')
      realm = await restarted(realm)
      web = await realm.add('web')
      await look('web')
      // Two were staged, one replaced them, two were enrolled, one was added; krbtgt and kdc have another each.
      expect(known.size - count).toBe(8)
    }
  })
})

/** A TGT of the first administrator that never ends, made by whoever has the key. */
async function goldenTicket(
  realm: TestRealm,
  { principal, kvno, key }: Identity,
  tgt: Grant,
): Promise<Grant> {
  const { name: client, clientId } = await realm.record('admin')
  const endTime = realm.clock.now() + 10_000 * HOUR
  const content = { ...openedBy({ principal, kvno, key }, tgt), client, clientId, endTime }
  return { ...tgt, ticket: sealTicket(principal, kvno, key, content, systemRandom).bytes, endTime }
}

describe('a golden ticket', () => {
  it.each<[string, 'rotate' | 'revoke-key']>([
    ['from the end of the key on where it was changed', 'rotate'],
    ['at once where it was revoked', 'revoke-key'],
  ])('is refused %s, whatever it says of its own end, and after a restart', async (_, method) => {
    const realm = await testRealm()
    const tgt = grantOf(await login(realm, await realm.add('eve')))
    const golden = await goldenTicket(realm, await krbtgt(realm), tgt)
    const asked = { services: [local('kdc')] }
    // What a stolen key of krbtgt is.
    expect(grantOf(await ask(realm, golden, asked)).claims).toEqual([['role', 'admin']])
    await realm.call(method, [local('krbtgt')])
    const old = (await realm.record('krbtgt')).keys.find(({ kvno }) => kvno === 1)
    if (method === 'rotate') {
      realm.clock.set((old?.endsAt ?? Number.NaN) - 1)
      expect(outcome(await ask(realm, golden, asked))).toBe('reply')
      realm.clock.set(old?.endsAt ?? Number.NaN)
    }
    for (const process of [realm, await restarted(realm)]) {
      expect(outcome(await ask(process, golden, asked))).toBe('05 ticket_invalid')
    }
  })
})

describe('a staged key that was stolen', () => {
  it.each<[string, (realm: TestRealm, web: Identity) => Promise<unknown>]>([
    ['the holder stages another', (realm, web) => stage(realm, web)],
    ['the key is revoked', (realm, web) => realm.call('revoke-key', [web.principal])],
    ['the key is replaced', (realm, web) => realm.call('replace-key', [web.principal])],
    ['the principal is removed', (realm, web) => realm.call('remove', [web.principal])],
    [
      'the principal is removed and made again',
      async (realm, web) => {
        await realm.call('remove', [web.principal])
        await realm.add('web')
      },
    ],
    [
      'the host is enrolled again',
      async realm => {
        await login(realm, await enrol(realm, await invite(realm, 'web')))
      },
    ],
  ])('logs nobody in once %s', async (_, act) => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const stolen = await stage(realm, web)
    await act(realm, web)
    for (const process of [realm, await restarted(realm)]) {
      expect(outcome(await login(process, stolen))).toBe('05 auth_failed')
    }
  })

  it('is not to be had by a session, which gets the salt and no key', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const { kvno, salt } = decodeStagedKey(await callAs(realm, web.principal, 'next-key', [1]))
    for (const key of [new LongTermKey(salt), deriveNextKey(new LongTermKey(salt), salt)]) {
      expect(outcome(await login(realm, { ...web, kvno, key }))).toBe('05 auth_failed')
    }
    // The holder is not disturbed by it.
    expect(outcome(await login(realm, web))).toBe('reply')
    expect(outcome(await login(realm, await stage(realm, web)))).toBe('reply')
  })
})

describe('a name that is gone', () => {
  it('is found by no similar one, neither as a client nor as a service', async () => {
    const realm = await testRealm()
    const gone = await realm.add('web')
    const tgt = grantOf(await login(realm, gone))
    const similar: Identity[] = []
    for (const name of ['we', 'web-', 'webb', 'web/1', 'web/web', 'admin/web'])
      similar.push(await realm.add(name))
    await realm.allow('*', 'web')
    await realm.allow('*', 'web/*')
    await realm.call('remove', [gone.principal])
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect(outcome(await login(realm, gone))).toBe('05 auth_failed')
    const [someone = gone] = similar
    const asked = await login(realm, someone, { services: [gone.principal] })
    expect(denialsOf(asked)).toEqual(['web unknown_service'])
    for (const { key, kvno } of similar) {
      expect(outcome(await login(realm, { principal: gone.principal, kvno, key }))).toBe('05 auth_failed')
    }
  })

  it('of an instance gives a host that enrols under it later nothing of what it was', async () => {
    const realm = await testRealm()
    const fleet = await invite(realm, 'worker/*', { uses: 3 })
    const before = await enrol(realm, fleet, '7')
    const tgt = grantOf(await login(realm, before))
    const { clientId } = await realm.record('worker/7')
    await realm.call('remove', [before.principal])
    const after = await enrol(realm, fleet, '7')
    expect(after.kvno).toBeGreaterThan(before.kvno)
    expect(outcome(await login(realm, before))).toBe('05 auth_failed')
    expect(outcome(await login(realm, after))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect(toHex((await realm.record('worker/7')).clientId)).not.toBe(toHex(clientId))
  })
})
