import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, RULE_RATE_BOUNDS } from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import type { PolicyRule } from '../../../shared/administration/rule.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { createTgsRequest } from '../../../shared/exchange/tgs.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { decodeTicket } from '../../../shared/ticket/ticket.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import {
  ADDRESS,
  ask,
  denialsOf,
  grantOf,
  grantsOf,
  type Identity,
  local,
  login,
  outcome,
  START,
  TestClock,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

/** Rules with an end, and rules with a rate, at the exchanges. */

interface Scene extends TestRealm {
  readonly web: Identity
  readonly tgt: Grant
}

async function scene(rule: Partial<PolicyRule>): Promise<Scene> {
  // The limits count by a clock of their own, which the tests move with the realm's.
  const clock = new TestClock()
  const realm = await testRealm({ rates: createRateLimits(DEFAULT_LIMITS, () => clock.monotonic()) })
  const pass = realm.clock.pass.bind(realm.clock)
  realm.clock.pass = time => {
    clock.pass(time)
    return pass(time)
  }
  const web = await realm.add('web')
  for (const name of ['orders', 'stock', 'billing']) await realm.add(name)
  await realm.allow('web', 'orders', rule)
  return { ...realm, web, tgt: grantOf(await login(realm, web)) }
}

const orders = [local('orders')]

describe('a rule with an end', () => {
  it('grants no ticket that outlives it', async () => {
    const realm = await scene({ until: START + 5 * MINUTE })
    for (const lifetime of [0, HOUR]) {
      const { endTime } = grantOf(await ask(realm, realm.tgt, { services: orders, lifetime }))
      expect(endTime).toBeLessThanOrEqual(START + 5 * MINUTE)
      expect(endTime).toBeGreaterThan(START)
    }
    const short = grantOf(await ask(realm, realm.tgt, { services: orders, lifetime: MINUTE }))
    expect(short.endTime).toBeLessThanOrEqual(START + MINUTE)
    const atLogin = grantOf(await login(realm, realm.web, { services: orders }), 1)
    expect(atLogin.endTime).toBeLessThanOrEqual(START + 5 * MINUTE)
  })

  it('decides up to the millisecond of its end, and nothing from then on', async () => {
    const realm = await scene({ until: START + MINUTE })
    realm.clock.pass(MINUTE - 1)
    const last = grantOf(await ask(realm, realm.tgt, { services: orders, time: realm.clock.now() }))
    expect(last.endTime).toBe(START + MINUTE)
    realm.clock.pass(1)
    const late = await ask(realm, realm.tgt, { services: orders, time: realm.clock.now() })
    expect(denialsOf(late)).toEqual(['orders policy_denied'])
  })

  it('gives way to a more general one', async () => {
    const realm = await scene({ until: START + MINUTE, claims: [['role', 'writer']] })
    await realm.allow('web', '*', { claims: [['role', 'reader']] })
    expect(grantOf(await ask(realm, realm.tgt, { services: orders })).claims).toEqual([['role', 'writer']])
    realm.clock.pass(MINUTE)
    const after = grantOf(await ask(realm, realm.tgt, { services: orders, time: realm.clock.now() }))
    expect(after.claims).toEqual([['role', 'reader']])
  })

  it('may deny for a time', async () => {
    const realm = await scene({})
    const { encodePolicyRule } = await import('../../../shared/administration/rules.js')
    const { ruleOf } = await import('../../support/realm.js')
    const denial = { ...ruleOf('web', '*'), effect: 'deny' as const, until: START + MINUTE }
    await realm.call('deny', encodePolicyRule(denial))
    expect(denialsOf(await ask(realm, realm.tgt, { services: orders }))).toEqual(['orders policy_denied'])
    realm.clock.pass(MINUTE)
    const after = await ask(realm, realm.tgt, { services: orders, time: realm.clock.now() })
    expect(grantsOf(after)).toHaveLength(1)
  })

  it('is not made after its end', async () => {
    const realm = await scene({})
    for (const until of [START - 1, START])
      await expect(realm.allow('web', 'stock', { until })).rejects.toMatchObject({ code: 'malformed' })
    await realm.allow('web', 'stock', { until: START + 1 })
  })
})

describe('a rule with a rate', () => {
  const rate = { points: 2, interval: MINUTE }

  it('grants so many tickets in an interval, then tells when there are more', async () => {
    const realm = await scene({ rate })
    const asked = () => ask(realm, realm.tgt, { services: orders, time: realm.clock.now() })
    expect([outcome(await asked()), outcome(await asked())]).toEqual(['reply', 'reply'])
    realm.clock.pass(10 * SECOND)
    const refused = await asked()
    expect(outcome(refused)).toBe('06 rate_limited')
    expect(refused.error?.message).toContain('50')
    realm.clock.pass(50 * SECOND - 1)
    expect(outcome(await asked())).toBe('06 rate_limited')
    realm.clock.pass(1)
    expect(outcome(await asked())).toBe('reply')
  })

  it('takes nothing of what else is asked for', async () => {
    const realm = await scene({ rate: { points: 1, interval: MINUTE } })
    await realm.allow('web', 'stock')
    const services = [local('orders'), local('stock')]
    expect(denialsOf(await ask(realm, realm.tgt, { services }))).toEqual([])
    const second = await ask(realm, realm.tgt, { services })
    expect(denialsOf(second)).toEqual(['orders rate_limited'])
    expect(grantsOf(second).map(({ service }) => service)).toEqual([local('stock')])
    const third = await login(realm, realm.web, { services })
    expect(denialsOf(third)).toEqual(['orders rate_limited'])
  })

  it('counts each client by itself, and for all services that it decides about', async () => {
    const realm = await scene({})
    const other = await realm.add('other')
    await realm.allow('*', '*', { rate: { points: 1, interval: MINUTE } })
    const tgt = grantOf(await login(realm, other))
    const of = async (grant: Grant, name: string) =>
      outcome(await ask(realm, grant, { services: [local(name)] }))
    expect([await of(tgt, 'stock'), await of(tgt, 'billing'), await of(tgt, 'stock')]).toEqual([
      'reply',
      '06 rate_limited',
      '06 rate_limited',
    ])
    expect(await of(realm.tgt, 'stock')).toBe('reply')
    // Another rule decides about this pair.
    expect(await of(realm.tgt, 'orders')).toBe('reply')
  })

  it('is not used up by somebody who repeats a request, nor passed by repeating it', async () => {
    const realm = await scene({ rate })
    const request = (): Uint8Array => {
      const key = deriveAuthKey(realm.tgt.key, [])
      const question = { services: orders, lifetime: 0, renew: false, caveats: [] }
      const times = { time: realm.clock.now(), nonce: systemRandom(16) }
      return createTgsRequest(key, decodeTicket(realm.tgt.ticket), { ...question, ...times }).bytes
    }
    const first = request()
    for (let i = 0; i < 5; i++) await realm.dispatch(first, ADDRESS)
    // Each of them can be used, so each is in the log.
    const issued = realm.logger.lines.filter(({ message }) => message === 'ticket issued')
    expect(issued.filter(({ fields }) => fields.service === local('orders'))).toHaveLength(5)
    expect(outcome(await ask(realm, realm.tgt, { services: orders }))).toBe('reply')
    expect(outcome(await ask(realm, realm.tgt, { services: orders }))).toBe('06 rate_limited')
    const again = await realm.dispatch(first, ADDRESS)
    expect(again[1]).toBe(0x06)
  })

  it('begins anew with another interval', async () => {
    const realm = await scene({ rate: { points: 1, interval: HOUR } })
    const asked = async () => outcome(await ask(realm, realm.tgt, { services: orders }))
    expect([await asked(), await asked()]).toEqual(['reply', '06 rate_limited'])
    await realm.allow('web', 'orders', { rate: { points: 1, interval: MINUTE } })
    expect([await asked(), await asked()]).toEqual(['reply', '06 rate_limited'])
    await realm.allow('web', 'orders')
    expect(await asked()).toBe('reply')
  })

  it.each([
    ['for kdc, which would keep administrators out', 'kdc', rate],
    ['in less than a second', 'orders', { points: 1, interval: SECOND - 1 }],
    ['in more than an hour', 'orders', { points: 1, interval: HOUR + 1 }],
    ['of more than a million', 'orders', { points: RULE_RATE_BOUNDS.POINTS_MAX + 1, interval: MINUTE }],
    ['of none', 'orders', { points: 0, interval: MINUTE }],
  ])('is refused %s', async (_, service, wrong) => {
    const realm = await scene({})
    const made = realm.allow('web', service, { rate: wrong })
    await expect(made).rejects.toMatchObject({ code: 'malformed' })
  })
})
