import { describe, expect, it } from 'vitest'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import type { Store } from '../../../kdc/store/store.js'
import { FLAG } from '../../../shared/constants.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { createAsRequest } from '../../../shared/exchange/as.js'
import { parametersWith } from '../../../shared/exchange/params.js'
import { DAY, HOUR } from '../../../shared/time.js'
import {
  ADDRESS,
  denialsOf,
  grantOf,
  grantsOf,
  type Identity,
  krbtgt,
  local,
  login,
  openedBy,
  outcome,
  START,
  stranger,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'
import { keyOf, retired } from '../../support/records.js'

const SKEW = 120_000

/** The same principal with a key of its own making. */
function withKey(client: Identity): Identity {
  return { ...client, key: new LongTermKey(systemRandom(32)) }
}

/** A principal whose key is said to come from a password. */
function password(): {
  password: { parameters: { log2N: number; r: number; p: number; salt: Uint8Array }; key: LongTermKey }
} {
  const parameters = parametersWith(systemRandom(16))
  return { password: { parameters, key: new LongTermKey(systemRandom(32)) } }
}

describe('the AS exchange', () => {
  it.each([
    [-SKEW - 1, '06 clock_skew'],
    [-SKEW, 'reply'],
    [SKEW, 'reply'],
    [SKEW + 1, '06 clock_skew'],
  ])('a request stamped %d ms from KDC time: %s', async (offset, expected) => {
    const realm = await testRealm()
    const web = await realm.add('web')
    expect(outcome(await login(realm, web, { time: START + offset }))).toBe(expected)
  })

  it('tells its time with a clock_skew, and no floor', async () => {
    const realm = await testRealm()
    const { error } = await login(realm, await realm.add('web'), { time: 0 })
    expect(error).toEqual({ code: 'clock_skew', time: START, floor: null, message: '', authenticated: true })
  })

  it.each<[string, (realm: TestRealm, web: Identity) => Promise<Identity> | Identity, string]>([
    ['a wrong key', (_, web) => withKey(web), '05 auth_failed'],
    ['an unknown client', () => stranger('nobody@demo.example'), '05 auth_failed'],
    ['a client of another realm', () => stranger('web@other.example'), '05 auth_failed'],
    ['an unknown kvno', (_, web) => ({ ...web, kvno: 2 }), '05 auth_failed'],
    ['kvno 0 of a key that is no password', (_, web) => ({ ...web, kvno: 0 }), '05 auth_failed'],
    ['krbtgt, even with its key', realm => krbtgt(realm), '05 auth_failed'],
    [
      'a removed client',
      async (realm, web) => {
        await realm.call('remove', [web.principal])
        return web
      },
      '05 auth_failed',
    ],
    [
      'a disabled client',
      async (realm, web) => {
        await realm.call('disable', [web.principal])
        return web
      },
      '06 principal_disabled',
    ],
    [
      'a disabled client with a wrong key',
      async (realm, web) => {
        await realm.call('disable', [web.principal])
        return withKey(web)
      },
      '05 auth_failed',
    ],
  ])('%s: %#', async (_, change, expected) => {
    const realm = await testRealm()
    const web = await realm.add('web')
    expect(outcome(await login(realm, await change(realm, web)))).toBe(expected)
  })

  it('accepts only the newest key, however many older ones still open tickets', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const next = { ...withKey(web), kvno: 2 }
    await realm.amend('web', record => ({
      ...record,
      lastKvno: 2,
      keys: [keyOf(2, next.key), ...record.keys.map(retired)],
    }))
    expect(outcome(await login(realm, web))).toBe('05 auth_failed')
    expect(outcome(await login(realm, next))).toBe('reply')
  })

  it('gives an unknown name and a wrong key the same answer, byte for byte', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.add('gone')
    await realm.call('remove', [local('gone')])
    const strangers = [
      withKey(web),
      stranger('nobody@demo.example'),
      { ...web, kvno: 7 },
      stranger('gone@demo.example'),
    ]
    const answers = await Promise.all(strangers.map(client => login(realm, client)))
    expect(new Set(answers.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size).toBe(1)
  })

  it('reads the store as often for an unknown name as for a wrong key', async () => {
    const reads: string[] = []
    const memory = createMemoryStore()
    const store: Store = {
      get: (kind, name) => {
        reads.push(`${kind} ${name}`)
        return memory.get(kind, name)
      },
      commit: changes => memory.commit(changes),
      list: (kind, page) => memory.list(kind, page),
      watch: listener => memory.watch(listener),
      snapshot: () => memory.snapshot(),
      compact: () => memory.compact(),
      close: () => memory.close(),
    }
    const realm = await testRealm({ store })
    const web = await realm.add('web')
    for (const client of [
      withKey(web),
      stranger('nobody@demo.example'),
      { ...stranger('web@demo.example'), kvno: 9 },
    ]) {
      const again = await openRealm({ vault: realm.vault, clock: realm.clock, random: systemRandom })
      const dispatch = createDispatch({ ...realm.context, realm: again })
      reads.length = 0
      for (let i = 0; i < 3; i++) await login({ ...realm, dispatch }, client)
      expect(reads).toEqual([`principal ${client.principal}`])
    }
  })

  it.each([
    [-1, 'reply'],
    [0, '06 principal_disabled'],
    [1, '06 principal_disabled'],
  ])('a client %d ms from its expiry: %s', async (offset, expected) => {
    const realm = await testRealm()
    const web = await realm.add('web', { expiresAt: START + HOUR })
    realm.clock.pass(HOUR + offset)
    expect(outcome(await login(realm, web))).toBe(expected)
  })

  it('checks the clock before it checks who is disabled', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.call('disable', [web.principal])
    expect(outcome(await login(realm, web, { time: 0 }))).toBe('06 clock_skew')
  })

  it('puts the TGT first, then the services in the order asked, and distinguishes denials', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.add('a')
    await realm.add('b')
    await realm.add('person', password())
    await realm.allow('web', '*')
    await realm.deny('web', 'b')
    const services = ['b', 'kdc', 'ghost', 'a', 'krbtgt', 'person', 'a@other.example'].map(local)
    const answer = await login(realm, web, { services })
    expect(grantsOf(answer).map(({ service }) => service)).toEqual([
      'krbtgt@demo.example',
      'kdc@demo.example',
      'a@demo.example',
    ])
    expect(denialsOf(answer)).toEqual([
      'b policy_denied',
      'ghost unknown_service',
      'krbtgt policy_denied',
      'person policy_denied',
      'a unknown_service',
    ])
  })

  it('marks a login with a password in the TGT and in every ticket', async () => {
    const realm = await testRealm()
    const orders = await realm.add('orders')
    await realm.allow('*', 'orders')
    const person = await realm.add('person', password())
    const answer = await login(realm, { ...person, kvno: 0 }, { services: [orders.principal] })
    expect(openedBy(await krbtgt(realm), grantOf(answer)).flags).toBe(FLAG.PASSWORD)
    expect(openedBy(orders, grantOf(answer, 1)).flags).toBe(FLAG.PASSWORD)
  })

  it('makes a ticket delegable only if the rule says so, and never a TGT', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const a = await realm.add('a')
    const b = await realm.add('b')
    await realm.allow('web', 'a', { delegable: true })
    await realm.allow('web', 'b')
    const answer = await login(realm, web, { services: [a.principal, b.principal] })
    expect(grantsOf(answer).map(({ flags }) => flags)).toEqual([0, FLAG.DELEGABLE, 0])
  })

  it.each([
    ['nothing asked', 0, {}, {}, 10 * HOUR, HOUR],
    ['a short life', 60_000, {}, {}, 60_000, 60_000],
    ["the client's maximum", 0, { maxLife: 30_000 }, {}, 30_000, 30_000],
    ["the client's expiry", 0, { expiresAt: START + 20_000 }, {}, 20_000, 20_000],
    ["the service's maximum", 0, {}, { maxLife: 40_000 }, 10 * HOUR, 40_000],
    ["the service's expiry", 0, {}, { expiresAt: START + 50_000 }, 10 * HOUR, 50_000],
  ])('limits lives by: %s', async (_, lifetime, client, service, tgtLife, ticketLife) => {
    const random = (length: number): Uint8Array => (length === 4 ? new Uint8Array(4) : systemRandom(length))
    const realm = await testRealm({ random })
    const web = await realm.add('web', client)
    const orders = await realm.add('orders', service)
    await realm.allow('web', 'orders')
    const answer = await login(realm, web, { lifetime, services: [orders.principal] })
    expect(grantsOf(answer).map(({ endTime }) => endTime - START)).toEqual([tgtLife, ticketLife])
  })

  it("keeps a ticket within the policy's life and within the TGT granted beside it", async () => {
    const longest = (length: number): Uint8Array =>
      length === 4 ? new Uint8Array(4).fill(255) : systemRandom(length)
    const realm = await testRealm({ random: longest, maxTgtLife: 1000, maxServiceLife: HOUR })
    const web = await realm.add('web')
    const [a, b] = [await realm.add('a'), await realm.add('b')]
    await realm.allow('web', 'a', { maxLife: 100 })
    await realm.allow('web', 'b')
    const answer = await login(realm, web, { services: [a.principal, b.principal] })
    const lives = grantsOf(answer).map(({ endTime }) => endTime - START)
    expect(lives[0]).toBe(901)
    expect(lives[1]).toBeLessThanOrEqual(100)
    expect(lives[2]).toBeLessThanOrEqual(901)
  })

  it('makes a TGT renewable if that was asked for, within the least maximum', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const short = await realm.add('short', { maxRenew: DAY })
    const never = await realm.add('never', { maxRenew: 1 })
    expect(grantOf(await login(realm, web)).renewTill).toBeNull()
    expect(grantOf(await login(realm, web, { renewable: true })).renewTill).toBe(START + 7 * DAY)
    expect(grantOf(await login(realm, short, { renewable: true })).renewTill).toBe(START + DAY)
    expect(grantOf(await login(realm, never, { renewable: true })).renewTill).toBeNull()
  })

  it('gives nothing to somebody who changed the request', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const { bytes } = createAsRequest(web.key, {
      client: web.principal,
      kvno: 1,
      time: START,
      nonce: systemRandom(16),
      services: [],
      lifetime: 0,
      renewable: false,
    })
    for (let i = 2; i < bytes.length; i++) {
      const changed = bytes.slice()
      changed[i] = (changed[i] ?? 0) ^ 1
      const { code } = openUnauthenticatedError(await realm.dispatch(changed, ADDRESS))
      expect(['auth_failed', 'malformed']).toContain(code)
    }
  })
})
