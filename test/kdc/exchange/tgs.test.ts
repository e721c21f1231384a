import { describe, expect, it } from 'vitest'
import { FLAG } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { encodeCaveat } from '../../../shared/ticket/caveats.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { sealTicket, type TicketContent } from '../../../shared/ticket/ticket.js'
import { DAY, HOUR } from '../../../shared/time.js'
import {
  ask,
  denialsOf,
  grantOf,
  grantsOf,
  type Identity,
  idOf,
  krbtgt,
  local,
  login,
  openedBy,
  outcome,
  REALM,
  START,
  type TestRealm,
  type TgsAsking,
  testRealm,
} from '../../support/realm.js'
import { keyOf, retired } from '../../support/records.js'

const SKEW = 120_000
const NOTHING_SHORTENED = (length: number): Uint8Array =>
  length === 4 ? new Uint8Array(4) : systemRandom(length)

const expires = (time: number): Uint8Array => encodeCaveat({ name: 'expires', time })
const services = (...names: string[]): Uint8Array =>
  encodeCaveat({ name: 'services', services: names.map(local) })
const methods = (): Uint8Array => encodeCaveat({ name: 'methods', methods: ['GET'] })
const unknown = (): Uint8Array => encode(['nonsense', 1])

interface Scene extends TestRealm {
  readonly web: Identity
  readonly orders: Identity
  readonly tgt: Grant
}

/** web may have tickets for orders, and has a renewable TGT. */
async function scene(): Promise<Scene> {
  const realm = await testRealm({ random: NOTHING_SHORTENED })
  const web = await realm.add('web')
  const orders = await realm.add('orders')
  await realm.allow('web', 'orders')
  return { ...realm, web, orders, tgt: grantOf(await login(realm, web, { renewable: true })) }
}

/** A TGT that the KDC never made, under its own key. */
async function forgeTgt(
  realm: Scene,
  content: Partial<TicketContent>,
  service = `krbtgt@${REALM}`,
): Promise<Grant> {
  const { key, kvno } = await krbtgt(realm)
  const web = await realm.record('web')
  const whole = {
    ...realm.tgt,
    client: realm.web.principal,
    clientId: web.clientId,
    caveats: [],
    ...content,
  }
  return { ...whole, ticket: sealTicket(local(service), kvno, key, whole, systemRandom).bytes }
}

describe('a TGS request, step by step', () => {
  it.each<[string, (realm: Scene) => Promise<[Grant, TgsAsking?]> | [Grant, TgsAsking?], string]>([
    ['all is right', ({ tgt }) => [tgt], 'reply'],
    [
      'a service ticket instead of the TGT',
      async realm => {
        const asked = [realm.orders.principal]
        return [grantOf(await ask(realm, realm.tgt, { services: asked }))]
      },
      '05 ticket_invalid',
    ],
    [
      'the ticket for kdc instead of the TGT',
      async realm => [grantOf(await ask(realm, realm.tgt, { services: [local('kdc')] }))],
      '05 ticket_invalid',
    ],
    [
      "a ticket that names krbtgt, under another service's key",
      async realm => {
        const content = { ...realm.tgt, client: local('web'), clientId: systemRandom(8), caveats: [] }
        const { bytes } = sealTicket(local('krbtgt'), 1, realm.orders.key, content, systemRandom)
        return [realm.tgt, { ticket: bytes }]
      },
      '05 ticket_invalid',
    ],
    [
      "a TGT of another realm, under this one's key",
      async realm => [await forgeTgt(realm, {}, 'krbtgt@other.example')],
      '05 ticket_invalid',
    ],
    [
      'another key than that of the TGT',
      ({ tgt }) => [tgt, { key: deriveAuthKey(new SessionKey(systemRandom(32)), []) }],
      '05 auth_failed',
    ],
    [
      'a caveat taken away',
      ({ tgt }) => [tgt, { key: deriveAuthKey(tgt.key, [methods()]), caveats: [] }],
      '05 auth_failed',
    ],
    [
      'caveats in another order',
      ({ tgt }) => [
        tgt,
        {
          key: deriveAuthKey(tgt.key, [methods(), expires(START + 1)]),
          caveats: [expires(START + 1), methods()],
        },
      ],
      '05 auth_failed',
    ],
    ['stamped too early', ({ tgt }) => [tgt, { time: START - SKEW - 1 }], '06 clock_skew'],
    ['stamped just not too early', ({ tgt }) => [tgt, { time: START - SKEW }], 'reply'],
    ['stamped just not too late', ({ tgt }) => [tgt, { time: START + SKEW }], 'reply'],
    ['stamped too late', ({ tgt }) => [tgt, { time: START + SKEW + 1 }], '06 clock_skew'],
    [
      'a TGT from more than a minute ahead',
      async realm => [await forgeTgt(realm, { startTime: START + 60_001 })],
      '06 ticket_not_yet_valid',
    ],
    [
      'a TGT of another KDC, whose clock is a minute ahead',
      async realm => [await forgeTgt(realm, { startTime: START + 60_000 })],
      'reply',
    ],
    ['a TGT that ends next', async realm => [await forgeTgt(realm, { endTime: START + 1 })], 'reply'],
    ['a TGT that ends now', async realm => [await forgeTgt(realm, { endTime: START })], '06 ticket_expired'],
    [
      'a client of another clientId',
      async realm => [await forgeTgt(realm, { clientId: systemRandom(8) })],
      '06 revoked',
    ],
    [
      'a client that never was',
      async realm => [await forgeTgt(realm, { client: local('ghost') })],
      '06 revoked',
    ],
    ['an expired caveat', ({ tgt }) => [tgt, { caveats: [expires(START)] }], '06 caveat_failed'],
    ['a caveat that expires next', ({ tgt }) => [tgt, { caveats: [expires(START + 1)] }], 'reply'],
    [
      'an expired caveat in the TGT',
      async realm => [await forgeTgt(realm, { caveats: [expires(START)] })],
      '06 caveat_failed',
    ],
    ['an unknown caveat', ({ tgt }) => [tgt, { caveats: [unknown()] }], '06 caveat_failed'],
    [
      'an unknown caveat in the TGT',
      async realm => [await forgeTgt(realm, { caveats: [unknown()] })],
      '06 caveat_failed',
    ],
    ['a caveat that is no list', ({ tgt }) => [tgt, { caveats: [new Uint8Array([1])] }], '06 caveat_failed'],
    ['an empty caveat', ({ tgt }) => [tgt, { caveats: [new Uint8Array()] }], '06 caveat_failed'],
    ['renewal', ({ tgt }) => [tgt, { renew: true }], 'reply'],
    [
      'renewal of what is not renewable',
      async realm => [grantOf(await login(realm, realm.web)), { renew: true }],
      '06 not_renewable',
    ],
    ['renewal under a caveat', ({ tgt }) => [tgt, { renew: true, caveats: [methods()] }], '06 not_renewable'],
    [
      'renewal under a caveat in the TGT',
      async realm => [await forgeTgt(realm, { caveats: [methods()] }), { renew: true }],
      '06 not_renewable',
    ],
    [
      'renewal at renewTill',
      async realm => [await forgeTgt(realm, { renewTill: START }), { renew: true }],
      '06 not_renewable',
    ],
    [
      'renewal just before renewTill',
      async realm => [await forgeTgt(realm, { renewTill: START + 1 }), { renew: true }],
      'reply',
    ],
  ])('%s', async (_, prepare, expected) => {
    const realm = await scene()
    const [tgt, asking] = await prepare(realm)
    expect(outcome(await ask(realm, tgt, asking))).toBe(expected)
  })

  it('a TGT that was revoked by itself, and no other of its client: revoked', async () => {
    const realm = await scene()
    const tgt = await forgeTgt(realm, { ticketId: systemRandom(16) })
    const other = await forgeTgt(realm, { ticketId: systemRandom(16) })
    const { revocations, writer } = realm.realm
    await writer.change(async now => {
      const revoked = { kind: 'ticket', principal: null, by: tgt.ticketId } as const
      const changes = await revocations.append([revoked], now, HOUR)
      return { changes, effect: 'takes', result: undefined }
    })
    await revocations.settle()
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect(outcome(await ask(realm, other))).toBe('reply')
  })

  it.each([
    [-1, 'reply'],
    [0, '06 principal_disabled'],
  ])('a client %d ms from its expiry: %s', async (offset, expected) => {
    const realm = await scene()
    await realm.amend('web', record => ({ ...record, expiresAt: START - offset }))
    expect(outcome(await ask(realm, realm.tgt))).toBe(expected)
  })

  it('reports the first fault in the order of section 7, whatever else is wrong', async () => {
    const realm = await scene()
    const broken = await forgeTgt(realm, {
      startTime: START + 60_001,
      endTime: START,
      clientId: systemRandom(8),
    })
    const renewTill = START
    const asking: TgsAsking = { time: 0, renew: true, caveats: [unknown()] }
    const ladder: [string, Grant, TgsAsking][] = [
      [
        '05 ticket_invalid',
        { ...broken, ticket: (await forgeTgt(realm, {}, 'web')).ticket },
        { ...asking, key: deriveAuthKey(new SessionKey(systemRandom(32)), []) },
      ],
      ['05 auth_failed', broken, { ...asking, key: deriveAuthKey(new SessionKey(systemRandom(32)), []) }],
      ['06 ticket_not_yet_valid', broken, asking],
      ['06 ticket_expired', await forgeTgt(realm, { endTime: START, clientId: systemRandom(8) }), asking],
      ['06 clock_skew', await forgeTgt(realm, { clientId: systemRandom(8) }), asking],
      ['06 revoked', await forgeTgt(realm, { clientId: systemRandom(8) }), { ...asking, time: START }],
    ]
    for (const [expected, tgt, question] of ladder) {
      expect(outcome(await ask(realm, tgt, question))).toBe(expected)
    }
    await realm.amend('web', record => ({ ...record, disabled: true }))
    const tgt = await forgeTgt(realm, { renewTill })
    expect(outcome(await ask(realm, tgt, { ...asking, time: START }))).toBe('06 principal_disabled')
    await realm.amend('web', record => ({ ...record, disabled: false }))
    expect(outcome(await ask(realm, tgt, { ...asking, time: START }))).toBe('06 caveat_failed')
    expect(outcome(await ask(realm, tgt, { renew: true }))).toBe('06 not_renewable')
  })

  it('tells the presenter which of its own caveats failed, and nothing of those in the TGT', async () => {
    const realm = await scene()
    const own = await ask(realm, realm.tgt, { caveats: [expires(START)] })
    expect(own.error?.message).toBe('caveat expires')
    const within = await ask(realm, await forgeTgt(realm, { caveats: [expires(START)] }))
    expect(within.error?.message).toBe('')
  })
})

describe('the tickets of a TGS reply', () => {
  it("carry every caveat but services, those of the TGT first, then those presented, then policy's", async () => {
    const realm = await scene()
    await realm.allow('web', 'orders', { methods: ['GET'], paths: ['/a'] })
    const holder = encodeCaveat({ name: 'holder', holder: local('web') })
    const tgt = await forgeTgt(realm, { caveats: [expires(START + 5_000), services('orders')] })
    const caveats = [services('orders', 'kdc'), holder, expires(START + 4_000)]
    const ticket = grantOf(await ask(realm, tgt, { caveats, services: [local('orders')] }))
    expect(openedBy(realm.orders, ticket).caveats).toEqual([
      expires(START + 5_000),
      holder,
      expires(START + 4_000),
      methods(),
      encodeCaveat({ name: 'paths', prefixes: ['/a'] }),
    ])
    expect(ticket.endTime).toBe(START + 4_000)
  })

  it('are denied if services caveats do not name the service, after policy', async () => {
    const realm = await scene()
    await realm.add('billing')
    await realm.allow('web', 'ghost')
    const answer = await ask(realm, realm.tgt, {
      caveats: [services('orders', 'billing'), services('orders')],
      services: ['orders', 'kdc', 'billing', 'ghost', 'krbtgt'].map(local),
    })
    expect(grantsOf(answer).map(({ service }) => service)).toEqual([local('orders')])
    expect(denialsOf(answer)).toEqual([
      'kdc caveat_failed',
      'billing policy_denied',
      'ghost unknown_service',
      'krbtgt policy_denied',
    ])
  })

  it('are for no service under an empty services caveat', async () => {
    const realm = await scene()
    const answer = await ask(realm, realm.tgt, { caveats: [services()], services: [local('orders')] })
    expect(denialsOf(answer)).toEqual(['orders caveat_failed'])
  })

  it('copy authTime and end with the TGT', async () => {
    const realm = await scene()
    realm.clock.pass(10 * HOUR - 1000)
    const ticket = grantOf(await ask(realm, realm.tgt, { services: [local('orders')] }))
    expect(ticket).toMatchObject({
      authTime: START,
      startTime: realm.clock.now(),
      endTime: START + 10 * HOUR,
      renewTill: null,
    })
  })

  it('are within limits that were set after the TGT was issued', async () => {
    const realm = await scene()
    await realm.amend('web', record => ({ ...record, maxLife: 5_000 }))
    const ticket = grantOf(await ask(realm, realm.tgt, { services: [local('orders')] }))
    expect(ticket.endTime).toBe(START + 5_000)
  })

  it('say that the login was by password, as the TGT does', async () => {
    const realm = await scene()
    const tgt = await forgeTgt(realm, { flags: FLAG.PASSWORD })
    const grants = grantsOf(await ask(realm, tgt, { renew: true, services: [local('orders')] }))
    expect(grants.map(({ flags }) => flags)).toEqual([FLAG.PASSWORD, FLAG.PASSWORD])
  })

  it('each have a key and an id of their own', async () => {
    const realm = await scene()
    const one = grantOf(await ask(realm, realm.tgt, { services: [local('orders')] }))
    const two = grantOf(await ask(realm, realm.tgt, { services: [local('orders')] }))
    expect(idOf(one)).not.toBe(idOf(two))
    expect(deriveAuthKey(one.key, [])).not.toBe(deriveAuthKey(two.key, []))
  })
})

describe('a renewal', () => {
  it('keeps authTime and renewTill, and gives a new key, id and end', async () => {
    const realm = await scene()
    realm.clock.pass(HOUR)
    const renewed = grantOf(await ask(realm, realm.tgt, { renew: true }))
    expect(renewed).toMatchObject({
      service: local('krbtgt'),
      authTime: START,
      startTime: START + HOUR,
      endTime: START + 11 * HOUR,
      renewTill: START + 7 * DAY,
    })
    expect(idOf(renewed)).not.toBe(idOf(realm.tgt))
    expect(outcome(await ask(realm, renewed))).toBe('reply')
  })

  it('limits the services of the same request by the TGT that was presented', async () => {
    const realm = await scene()
    realm.clock.pass(10 * HOUR - 1)
    const [renewed, ticket] = grantsOf(
      await ask(realm, realm.tgt, { renew: true, services: [local('orders')] }),
    )
    expect(renewed?.endTime).toBe(START + 20 * HOUR - 1)
    expect(ticket?.endTime).toBe(START + 10 * HOUR)
  })

  it.each([
    ['asked for', { lifetime: 5_000 }, {}, 5_000],
    ["the client's maximum", {}, { maxLife: 6_000 }, 6_000],
    ["the client's expiry", {}, { expiresAt: START + HOUR + 7_000 }, 7_000],
  ])('is no longer than %s', async (_, asking, limits, life) => {
    const realm = await scene()
    realm.clock.pass(HOUR)
    await realm.amend('web', record => ({ ...record, ...limits }))
    const renewed = grantOf(await ask(realm, realm.tgt, { renew: true, ...asking }))
    expect(renewed.endTime).toBe(START + HOUR + life)
  })

  it('ends at renewTill, over any chain', async () => {
    const realm = await scene()
    let { tgt } = realm
    for (let i = 0; i < 20; i++) {
      realm.clock.pass(9 * HOUR)
      const answer = await ask(realm, tgt, { renew: true })
      if (realm.clock.now() >= START + 7 * DAY) {
        expect(outcome(answer)).toBe('06 ticket_expired')
        break
      }
      tgt = grantOf(answer)
      expect(tgt.endTime).toBe(Math.min(realm.clock.now() + 10 * HOUR, START + 7 * DAY))
      expect(tgt.renewTill).toBe(START + 7 * DAY)
    }
    expect(realm.clock.now()).toBeGreaterThan(START + 7 * DAY)
  })
})

describe('the key of krbtgt', () => {
  it('opens TGTs of older kvnos until they are retired', async () => {
    const realm = await scene()
    const old = await krbtgt(realm)
    const key = (await testRealm()).admin.key
    const newer = keyOf(2, key)
    await realm.amend('krbtgt', record => ({
      ...record,
      lastKvno: 2,
      keys: [newer, ...record.keys.map(retired)],
    }))
    expect(outcome(await ask(realm, realm.tgt))).toBe('reply')
    const renewed = grantOf(await ask(realm, realm.tgt, { renew: true }))
    expect(openedBy({ ...old, kvno: 2, key }, renewed).kvno).toBe(2)
    await realm.amend('krbtgt', record => ({ ...record, keys: [newer] }))
    expect(outcome(await ask(realm, realm.tgt))).toBe('05 ticket_invalid')
    expect(outcome(await ask(realm, renewed))).toBe('reply')
    const whole = { ...realm.tgt, client: local('admin'), clientId: systemRandom(8), caveats: [] }
    const golden = { ...whole, ticket: sealTicket(old.principal, 1, old.key, whole, systemRandom).bytes }
    expect(outcome(await ask(realm, golden))).toBe('05 ticket_invalid')
    const asTwo = { ...whole, ticket: sealTicket(old.principal, 2, old.key, whole, systemRandom).bytes }
    expect(outcome(await ask(realm, asTwo))).toBe('05 ticket_invalid')
  })
})
