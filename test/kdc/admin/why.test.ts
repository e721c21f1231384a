import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import type { Caller } from '../../../kdc/admin/role.js'
import { DEFAULT_LIMITS, SHORTENING } from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import type { PolicyRule } from '../../../shared/administration/rule.js'
import { encodePolicyRule } from '../../../shared/administration/rules.js'
import {
  decodeWhy,
  encodeWhyQuestion,
  type Why,
  type WhyQuestion,
} from '../../../shared/administration/why.js'
import { FLAG } from '../../../shared/constants.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { OrthrusError } from '../../../shared/errors.js'
import type { Principal } from '../../../shared/principal.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import {
  administrator,
  ask,
  callerOf,
  denialsOf,
  grantOf,
  type Identity,
  local,
  login,
  openedBy,
  outcome,
  ruleOf,
  START,
  TestClock,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

const PASSWORD = { parameters: { log2N: 17, r: 8, p: 1, salt: new Uint8Array(16) } }
const SLOW = process.env.ORTHRUS_SLOW === '1'

function asked(client: string, service: string, rest: Partial<WhyQuestion> = {}): WhyQuestion {
  return { client: local(client), service: local(service), at: null, method: null, path: null, ...rest }
}

async function why(
  realm: TestRealm,
  question: WhyQuestion,
  caller: Caller | undefined = administrator(local('admin')),
): Promise<Why> {
  const context = { ...ownContext(realm.realm, realm.context.report, undefined, realm.context.rates), caller }
  return decodeWhy(await callMethod(context, 'why', encodeWhyQuestion(question)))
}

describe('why', () => {
  const names = ['web', 'web/1', 'orders', 'stock', 'ann', 'gone', 'ghost', 'kdc', 'krbtgt']
  const patterns = fc.constantFrom(
    'web',
    'web/1',
    'web/*',
    '*',
    '@team',
    'orders',
    'stock',
    'ann',
    'gone',
    'ghost',
  )
  const states = fc.constantFrom('fine', 'fine', 'fine', 'disabled', 'keyless', 'expires')
  const huge: Partial<PolicyRule> = { claims: [['a', 'x'.repeat(2_000)]], paths: [`/${'y'.repeat(2_000)}`] }
  const terms = fc.constantFrom<Partial<PolicyRule>>(
    {},
    { effect: 'deny' },
    { claims: [['role', 'reader']], delegable: true },
    { methods: ['GET'], paths: ['/a'], maxLife: 5 * MINUTE },
    { until: START + MINUTE },
    { until: START + 6 * MINUTE, claims: [['role', 'late']] },
    huge,
  )
  interface Drawn {
    readonly rules: readonly (readonly [string, string, Partial<PolicyRule>])[]
    readonly states: readonly string[]
    readonly lives: readonly (number | null)[]
    /** Who asks for which service. */
    readonly pairs: readonly (readonly [string, string])[]
  }

  const realms: fc.Arbitrary<Drawn> = fc.record({
    rules: fc.array(fc.tuple(patterns, patterns, terms), { maxLength: 10 }),
    states: fc.array(states, { minLength: 5, maxLength: 5 }),
    lives: fc.array(fc.constantFrom(null, HOUR, 7 * MINUTE), { minLength: 5, maxLength: 5 }),
    pairs: fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)), {
      minLength: 12,
      maxLength: 12,
    }),
  })

  /** Chance seldom asks for what it allows with that much said. */
  const tooLarge: Drawn = {
    rules: [['web/1', 'orders', huge]],
    states: Array.from({ length: 5 }, () => 'fine'),
    lives: Array.from({ length: 5 }, () => null),
    pairs: [['web/1', 'orders']],
  }

  it(
    'says what a login and a request for a ticket then come to, in any realm',
    async () => {
      const reached = new Set<string>()
      await fc.assert(
        fc.asyncProperty(realms, async drawn => {
          const { realm, identities } = await made(drawn)
          for (const [client, service] of drawn.pairs) {
            const told = await why(realm, asked(client, service))
            const identity = identities.get(client) ?? {
              principal: local(client),
              kvno: 1,
              key: realm.admin.key,
            }
            const found = await real(realm, identity, local(service))
            expect([client, service, told.code]).toEqual([client, service, found.code])
            reached.add(String(told.code))
            requireSameTicket(told, found, identities.get(service))
          }
        }),
        { numRuns: SLOW ? 300 : 40, examples: [[tooLarge]] },
      )
      const all = ['null', 'auth_failed', 'policy_denied', 'principal_disabled', 'unknown_service']
      expect([...reached]).toEqual(expect.arrayContaining([...(SLOW ? all : all.slice(0, 3)), 'too_large']))
    },
    SLOW ? 300_000 : 60_000,
  )

  /** A realm whose clock stands beyond the end of whatever expires. */
  async function made({ rules, states, lives }: Drawn) {
    const realm = await testRealm({ maxServiceLife: 30 * MINUTE, maxTgtLife: 40 * MINUTE })
    const identities = new Map<string, Identity>()
    for (const [i, name] of ['web', 'web/1', 'orders', 'stock', 'ann', 'gone'].entries()) {
      const expiresAt = states[i] === 'expires' ? START + MINUTE : null
      const password = name === 'ann' ? { ...PASSWORD, key: realm.admin.key } : null
      const limits = { maxLife: lives[i] ?? null, expiresAt }
      identities.set(name, await realm.add(name, { ...limits, password }))
    }
    await realm.call('group-add', ['@team', ['web', 'orders', 'ann'].map(local)])
    for (const [client, service, rule] of rules) {
      const { effect = 'allow' } = rule
      if (effect === 'deny') await realm.deny(client, service)
      else await realm.allow(client, service, rule)
    }
    for (const [i, name] of ['web', 'web/1', 'orders', 'stock', 'ann'].entries()) {
      if (states[i] === 'disabled') await realm.call('disable', [local(name)])
      if (states[i] === 'keyless') await realm.call('revoke-key', [local(name)])
    }
    await realm.call('remove', [local('gone')])
    realm.clock.pass(2 * MINUTE)
    return { realm, identities }
  }

  /** What a login that asks for the service comes to, and a request with the TGT, which must be the same. */
  async function real(realm: TestRealm, identity: Identity, service: Principal) {
    const answer = await login(realm, identity, { services: [service] })
    if (answer.error !== undefined) return { code: outcome(answer).slice(3), grant: undefined }
    const again = await ask(realm, grantOf(answer), { services: [service] })
    expect(again.reply?.denials).toEqual(answer.reply.denials)
    const [denial] = answer.reply.denials
    return { code: denial?.code ?? null, grant: denial === undefined ? grantOf(again) : undefined }
  }

  function requireSameTicket(
    { ticket, at }: Why,
    { grant }: Awaited<ReturnType<typeof real>>,
    service: Identity | undefined,
  ): void {
    expect(ticket === null).toBe(grant === undefined)
    if (ticket === null || grant === undefined) return
    expect(grant.endTime).toBeLessThanOrEqual(ticket.endTime)
    expect(grant.endTime).toBeGreaterThanOrEqual(
      at + Math.floor((ticket.endTime - at) * (1 - 2 * SHORTENING)),
    )
    expect(at + (ticket.limits[0]?.[1] ?? 0)).toBe(ticket.endTime)
    expect(grant.claims).toEqual(ticket.claims)
    expect((grant.flags & FLAG.DELEGABLE) !== 0).toBe(ticket.delegable)
    expect((grant.flags & FLAG.PASSWORD) !== 0).toBe(ticket.passwordBased)
    if (service !== undefined) expect(openedBy(service, grant).caveats).toEqual(ticket.caveats)
  }

  it('names each rule that matches with what becomes of it', async () => {
    const realm = await testRealm()
    await realm.add('web/1')
    await realm.add('orders')
    await realm.allow('*', 'orders')
    await realm.allow('web/*', 'orders')
    await realm.allow('web/1', 'stock')
    const fates = ({ rules }: Why) => rules.map(({ rule, fate }) => `${rule.client.split('@')[0]} ${fate}`)
    expect(fates(await why(realm, asked('web/1', 'orders')))).toEqual(['web/* decides', '* less specific'])
    await realm.deny('*', 'orders')
    await realm.deny('web/1', '*')
    const told = await why(realm, asked('web/1', 'orders'))
    expect(told).toMatchObject({ code: 'policy_denied', reason: 'a rule denies it', ticket: null })
    expect(fates(told)).toEqual(['web/1 decides', 'web/* overruled', '* less specific'])
  })

  it('shows a rule that has ended, and lets it decide nothing', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.add('orders')
    const until = START + MINUTE
    const said = { claims: [['role', 'reader']], paths: ['/a'], until } as const
    await realm.allow('web', 'orders', said)
    await realm.call('deny', encodePolicyRule({ ...ruleOf('*', 'orders'), effect: 'deny', until: until - 1 }))
    const at = async (time: number | null, caller?: Caller) =>
      why(realm, asked('web', 'orders', { at: time }), caller)
    const fates = ({ rules }: Why) => rules.map(({ rule, fate }) => [rule.effect, fate])
    expect(fates(await at(null))).toEqual([
      ['allow', 'overruled'],
      ['deny', 'decides'],
    ])
    expect(fates(await at(until - 1))).toEqual([
      ['allow', 'decides'],
      ['deny', 'ended'],
    ])
    const later = await at(until)
    expect(later).toMatchObject({ code: 'policy_denied', reason: 'no rule allows it', ticket: null })
    expect(later.rules[0]).toEqual({ rule: ruleOf('web', 'orders', said), fate: 'ended' })
    expect(fates(later)).toEqual([
      ['allow', 'ended'],
      ['deny', 'ended'],
    ])
    realm.clock.pass(MINUTE)
    expect(fates(await at(null))).toEqual(fates(later))
    expect(fates(await at(until - 1))).toEqual([
      ['allow', 'decides'],
      ['deny', 'ended'],
    ])
    // What was, it could only learn by having asked for a ticket then.
    expect(await at(null, callerOf(local('web')))).toMatchObject({ rules: [], endedSince: null })
  })

  it('says since when it knows of rules that have ended', async () => {
    const realm = await testRealm()
    await realm.add('orders')
    const { endedSince } = await why(realm, asked('web', 'orders', { at: START + HOUR }))
    expect(endedSince).toBe(START - DAY)
  })

  describe('of a rule with a rate', () => {
    const rate = { points: 2, interval: MINUTE }
    const scene = async () => {
      const clock = new TestClock()
      const limited: string[] = []
      const rates = createRateLimits(
        DEFAULT_LIMITS,
        () => clock.monotonic(),
        undefined,
        limit => limited.push(limit),
      )
      const realm = await testRealm({ rates })
      const web = await realm.add('web')
      await realm.add('orders')
      await realm.add('stock')
      await realm.allow('web', '*', { rate })
      const take = async (service = 'orders') =>
        denialsOf(await login(realm, web, { services: [local(service)] }))
      return { realm, clock, limited, take }
    }

    it('says what is left, and then the refusal that the client gets', async () => {
      const { realm, clock, limited, take } = await scene()
      expect(await why(realm, asked('web', 'orders'))).toMatchObject({
        code: null,
        rate: { ...rate, left: 2, wait: 0 },
      })
      expect(await take('stock')).toEqual([])
      expect(await why(realm, asked('web', 'orders'))).toMatchObject({
        code: null,
        rate: { left: 1, wait: 0 },
      })
      expect(await take()).toEqual([])
      clock.pass(20_000)
      for (const caller of [undefined, callerOf(local('web'))]) {
        const told = await why(realm, asked('web', 'orders'), caller)
        expect(told).toMatchObject({ code: 'rate_limited', ticket: null, rate: { left: 0, wait: 40_000 } })
        expect(told.reason).toMatch(/^too many tickets for web@demo.example by the rule/)
      }
      expect(limited).toEqual([])
      expect(await take()).toEqual(['orders rate_limited'])
      clock.pass(40_000)
      expect(await why(realm, asked('web', 'orders'))).toMatchObject({
        code: null,
        rate: { left: 2, wait: 0 },
      })
    })

    it('takes none of what is left', async () => {
      const { realm, take } = await scene()
      for (let i = 0; i < 5; i++) await why(realm, asked('web', 'orders'))
      expect(await take()).toEqual([])
      expect(await take()).toEqual([])
    })

    it('tells the rate alone of another time, and to an owner of the service: the rule counts other services too', async () => {
      const { realm, take } = await scene()
      for (const service of ['stock', 'stock']) await take(service)
      await realm.add('ann')
      await realm.allow('ann', 'kdc', { claims: [['owner', 'orders']] })
      const owner: Caller = { ...callerOf(local('ann')), claims: [['owner', 'orders']] }
      const unknown = { code: null, rate: { ...rate, left: null, wait: null } }
      expect(await why(realm, asked('web', 'orders'), owner)).toMatchObject(unknown)
      expect(await why(realm, asked('web', 'orders', { at: START + HOUR }))).toMatchObject(unknown)
    })

    it('is no rate where another rule decides, or denies', async () => {
      const { realm } = await scene()
      await realm.allow('web', 'orders')
      expect((await why(realm, asked('web', 'orders'))).rate).toBeNull()
      await realm.deny('web', 'stock')
      expect((await why(realm, asked('web', 'stock'))).rate).toBeNull()
    })
  })

  it.each([
    ['no limit but the realm', {}, {}, {}, 'realm', HOUR],
    ['the client', { maxLife: MINUTE }, {}, {}, 'client', MINUTE],
    ['the service', {}, { maxLife: MINUTE }, {}, 'service', MINUTE],
    ['the rule', {}, {}, { maxLife: MINUTE }, 'rule', MINUTE],
    ['the end of the client', { expiresAt: START + MINUTE }, {}, {}, 'client expires', MINUTE],
    ['the end of the service', {}, { expiresAt: START + MINUTE }, {}, 'service expires', MINUTE],
    ['the end of the rule', {}, {}, { until: START + MINUTE }, 'rule ends', MINUTE],
  ])('says what cuts the life of a ticket: %s', async (_, client, service, rule, limit, life) => {
    const realm = await testRealm()
    await realm.add('web', client)
    await realm.add('orders', service)
    await realm.allow('web', 'orders', rule)
    const { ticket } = await why(realm, asked('web', 'orders'))
    const [shortest] = ticket?.limits ?? []
    const isTgtToo = limit === 'client' || limit === 'client expires'
    expect(shortest).toEqual([limit, life])
    expect(ticket?.endTime).toBe(START + life)
    expect(ticket?.limits.some(([name, bound]) => name === 'tgt' && bound === life)).toBe(isTgtToo)
  })

  it('decides for another time by the records of now', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.add('orders', { expiresAt: START + HOUR })
    await realm.allow('web', 'orders')
    const at = (time: number | null) => why(realm, asked('web', 'orders', { at: time }))
    expect(await at(null)).toMatchObject({ code: null, at: START })
    expect(await at(START + HOUR - 1)).toMatchObject({ code: null, ticket: { endTime: START + HOUR } })
    expect(await at(START + HOUR)).toMatchObject({ code: 'unknown_service', at: START + HOUR })
  })

  it.each([
    ['GET', '/a/1?x=1', null],
    ['POST', '/a', 'methods'],
    ['GET', '/b', 'paths'],
    [null, '/b', 'paths'],
    ['GET', null, null],
    [null, null, null],
    ['GET', '/a/../b', 'paths'],
  ])('says whether the ticket is good for %s %s', async (method, path, refusal) => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.add('orders')
    await realm.allow('web', 'orders', { methods: ['GET'], paths: ['/a'] })
    const { ticket } = await why(realm, asked('web', 'orders', { method, path }))
    expect(ticket?.refusal?.caveat ?? null).toBe(refusal)
  })

  it('tells the keys, what was revoked, and who follows', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.add('orders')
    realm.clock.pass(MINUTE)
    await realm.call('revoke-client', [local('web')])
    await realm.call('replace-key', [local('orders')])
    const { client, service, followers } = await why(realm, asked('web', 'orders'))
    expect(client).toMatchObject({ revokedAt: START + MINUTE, revokedKvno: null, disabled: false })
    expect(service).toMatchObject({ revokedKvno: 1, keys: [{ kvno: 2, state: 'current' }] })
    expect(followers).toEqual([])
  })

  describe('asked by a principal for itself', () => {
    const scene = async () => {
      const realm = await testRealm()
      await realm.add('web')
      await realm.add('orders')
      return realm
    }

    it('tells the rule that decides and the ticket, and nothing else about the service or other rules', async () => {
      const realm = await scene()
      await realm.allow('web', 'orders', { claims: [['role', 'reader']] })
      await realm.allow('*', 'orders')
      const told = await why(realm, asked('web', 'orders'), callerOf(local('web')))
      expect(told).toMatchObject({ code: null, scope: 'client', service: null, followers: [] })
      expect(told.rules).toEqual([
        {
          rule: expect.objectContaining(ruleOf('web', 'orders', { claims: [['role', 'reader']] })),
          fate: 'decides',
        },
      ])
      expect(told.ticket?.claims).toEqual([['role', 'reader']])
      expect(told.client?.keys).toHaveLength(1)
    })

    it('tells a service that is missing, disabled or without a key from none of the others', async () => {
      const realm = await scene()
      const itself = () => why(realm, asked('web', 'orders'), callerOf(local('web')))
      const without = await itself()
      await realm.call('remove', [local('orders')])
      expect(await itself()).toEqual(without)
      await realm.allow('web', '*')
      const missing = await itself()
      expect(missing.code).toBe('unknown_service')
      await realm.add('orders')
      await realm.call('disable', [local('orders')])
      expect(await itself()).toEqual(missing)
      await realm.call('enable', [local('orders')])
      await realm.call('revoke-key', [local('orders')])
      expect(await itself()).toEqual(missing)
    })

    it.each<[string, Partial<Caller>]>([
      ['another principal', { client: local('orders') }],
      ['a delegate', { via: local('gate') }],
      ['the holder of a narrowed ticket', { caveats: [{ name: 'services', services: [local('kdc')] }] }],
    ])('refuses %s', async (_, caller) => {
      const realm = await scene()
      const answer = why(realm, asked('web', 'orders'), { ...callerOf(local('web')), ...caller })
      await expect(answer).rejects.toMatchObject({ code: 'not_authorized' })
    })
  })

  describe('asked by an owner of the service', () => {
    const scene = async () => {
      const realm = await testRealm()
      await realm.add('web')
      await realm.add('orders')
      await realm.add('ann')
      await realm.allow('ann', 'kdc', { claims: [['owner', 'orders']] })
      const owner: Caller = { ...callerOf(local('ann')), claims: [['owner', 'orders']] }
      return { realm, ask: (client: string, service: string) => why(realm, asked(client, service), owner) }
    }

    it('tells the rules, the service and the ticket, and nothing of the client', async () => {
      const { realm, ask } = await scene()
      await realm.allow('*', 'orders')
      await realm.allow('web', 'orders', { claims: [['role', 'reader']] })
      const told = await ask('web', 'orders')
      expect(told).toMatchObject({ scope: 'service', code: null, client: null, service: { disabled: false } })
      expect(told.rules.map(({ fate }) => fate)).toEqual(['decides', 'less specific'])
      expect(told.ticket?.claims).toEqual([['role', 'reader']])
    })

    it('tells a client that is missing, disabled or without a key from none of the others', async () => {
      const { realm, ask } = await scene()
      const denied = await ask('web', 'orders')
      expect(denied).toMatchObject({ code: 'policy_denied' })
      expect(await ask('ghost', 'orders')).toEqual(denied)
      await realm.allow('*', 'orders')
      await realm.add('short', { maxLife: MINUTE, expiresAt: START + HOUR })
      await realm.add('user', { password: { ...PASSWORD, key: new LongTermKey(new Uint8Array(32)) } })
      const missing = await ask('ghost', 'orders')
      expect(missing.code).toBeNull()
      for (const name of ['web', 'short', 'user']) expect(await ask(name, 'orders')).toEqual(missing)
      await realm.call('disable', [local('web')])
      expect(await ask('web', 'orders')).toEqual(missing)
      await realm.call('enable', [local('web')])
      await realm.call('revoke-key', [local('web')])
      expect(await ask('web', 'orders')).toEqual(missing)
      // Who asks may allow any name itself.
      await realm.call('forget', ['*', local('orders')])
      for (const name of ['web', 'phantom']) await realm.allow(name, 'orders')
      const [real, none] = [await ask('web', 'orders'), await ask('phantom', 'orders')]
      expect(real.ticket).toEqual(none.ticket)
      expect(real.code).toBe(none.code)
    })

    it('refuses another service, and one that it no longer owns', async () => {
      const { realm, ask } = await scene()
      await realm.add('stock')
      await expect(ask('web', 'stock')).rejects.toMatchObject({ code: 'not_authorized' })
      await realm.call('forget', [local('ann'), local('kdc')])
      await expect(ask('web', 'orders')).rejects.toMatchObject({ code: 'not_authorized' })
    })
  })

  it('refuses principals of another realm', async () => {
    const realm = await testRealm()
    const other = { ...asked('web', 'orders'), service: 'orders@other.example' as Principal }
    const refused = await why(realm, other).catch((cause: unknown) => cause)
    expect(refused).toBeInstanceOf(OrthrusError)
    expect(refused).toMatchObject({ code: 'malformed' })
  })

  it('is told to the log, once for each question, and grants nothing', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.add('orders')
    await realm.allow('web', 'orders')
    const before = realm.logger.lines.length
    await why(realm, asked('web', 'orders'))
    expect(realm.logger.lines.slice(before)).toEqual([
      {
        level: 'info',
        message: 'administration',
        fields: { by: [local('admin')], method: 'why', on: [local('web'), local('orders')] },
      },
    ])
  })

  it('writes no line for a client that asks about itself: it could push its traces out of the logs', async () => {
    const realm = await testRealm()
    const { principal } = await realm.add('web')
    const own = callerOf(principal)
    const owner: Caller = { ...own, claims: [['owner', 'orders']] }
    const context = { ...ownContext(realm.realm, realm.context.report), caller: own }
    const before = realm.logger.lines.length
    await why(realm, asked('web', 'orders'), own)
    await callMethod(context, 'refusal', ['0123456789ab', null])
    expect(realm.logger.lines.slice(before)).toEqual([])
    await why(realm, asked('web', 'orders'), owner)
    expect(realm.logger.lines.slice(before)).toMatchObject([{ fields: { by: [principal], method: 'why' } }])
  })
})
