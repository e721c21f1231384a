import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import { COMMIT_ATTEMPTS } from '../../../kdc/limits/defaults.js'
import type { Audit } from '../../../kdc/report/audit/audit.js'
import { encodeAuditQuestion, encodeUsesQuestion } from '../../../shared/administration/audit.js'
import { ADMIN_METHODS, type AdminMethod, PAGE_ROWS } from '../../../shared/administration/methods.js'
import { encodePolicyChange } from '../../../shared/administration/policy-change.js'
import {
  decodePrincipalSummary,
  encodeNewPrincipal,
  NO_LIMITS,
} from '../../../shared/administration/principals.js'
import { encodeRealmChanges } from '../../../shared/administration/realm.js'
import type { PolicyRule } from '../../../shared/administration/rule.js'
import { decodePolicyRule, encodePolicyRule, encodeRuleChange } from '../../../shared/administration/rules.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { listOf } from '../../../shared/encoding/fields.js'
import { HOUR } from '../../../shared/time.js'
import {
  administrator,
  local,
  login,
  outcome,
  pattern,
  ruleOf,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

/** An audit log of a folder that is not there. */
const NO_LINES: Partial<Audit> = {
  directory: '/nonexistent/audit',
  state: { lines: 0 } as Audit['state'],
}
const EVERYTHING = { client: null, service: null, outcome: null, since: null } as const

/** Called as `admin@` and, for a delegated ticket, its presenter. */
function callAs(
  realm: TestRealm,
  [client = 'admin', via]: readonly string[],
  method: string,
  args: readonly Value[],
): Promise<Value[]> {
  const caller = { ...administrator(local(client)), via: via === undefined ? undefined : local(via) }
  const audit = NO_LINES as unknown as Audit
  return callMethod({ ...ownContext(realm.realm, realm.context.report, audit), caller }, method, args)
}

async function summary(realm: TestRealm, name: string) {
  return decodePrincipalSummary((await realm.call('show', [local(name)]))[0])
}

const parameters = { log2N: 17, r: 8, p: 1, salt: systemRandom(16) }
const person = { parameters, key: new LongTermKey(systemRandom(32)) }

describe('add', () => {
  it('draws a key and returns it once', async () => {
    const realm = await testRealm()
    const web = await realm.add('web', { maxLife: 5, maxRenew: 6, expiresAt: START + 7 })
    expect(web.kvno).toBe(1)
    expect(revealKey((await realm.record('web')).keys[0]?.key as LongTermKey)).toEqual(revealKey(web.key))
    expect(await summary(realm, 'web')).toEqual({
      principal: 'web@demo.example',
      kvnos: [1],
      keyCreatedAt: START,
      passwordBased: false,
      disabled: false,
      expiresAt: START + 7,
      maxLife: 5,
      maxRenew: 6,
      createdAt: START,
      changedAt: START,
      groups: [],
    })
  })

  it('takes a password key and does not give it back', async () => {
    const realm = await testRealm()
    const whole = {
      principal: local('ann'),
      password: person,
      expiresAt: null,
      maxLife: null,
      maxRenew: null,
    }
    expect(await realm.call('add', encodeNewPrincipal(whole))).toEqual([1, null])
    expect((await summary(realm, 'ann')).passwordBased).toBe(true)
  })

  it('never starts kvno or clientId again', async () => {
    const realm = await testRealm()
    const seen = new Set<string>()
    for (let kvno = 1; kvno <= 4; kvno++) {
      expect((await realm.add('web')).kvno).toBe(kvno)
      const { clientId } = await realm.record('web')
      seen.add(Buffer.from(clientId).toString('hex'))
      await realm.call('remove', [local('web')])
    }
    expect(seen.size).toBe(4)
  })

  it('makes a principal once, however many calls come at the same time', async () => {
    const realm = await testRealm()
    const added = await Promise.allSettled(Array.from({ length: 8 }, () => realm.add('web')))
    expect(added.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('list', () => {
  it('returns pages in order, without what was removed', async () => {
    const realm = await testRealm()
    const names = Array.from({ length: 7 }, (_, i) => `p${i}`)
    for (const name of names) await realm.add(name)
    for (const name of ['p0', 'p1', 'p2', 'p3', 'p5']) await realm.call('remove', [local(name)])
    const seen: string[] = []
    for (let after: Value = null; ; ) {
      const rows = listOf((await realm.call('list', [after, 2]))[0]).map(decodePrincipalSummary)
      seen.push(...rows.map(({ principal }) => principal))
      if (rows.length < 2) break
      after = [seen.at(-1) ?? '']
    }
    expect(seen).toEqual(['admin', 'kdc', 'krbtgt', 'p4', 'p6'].map(local))
  })

  it('never returns more than a page', async () => {
    const realm = await testRealm()
    for (let i = 0; i < PAGE_ROWS; i++) await realm.add(`p${i}`)
    const [rows] = await realm.call('list', [null, 2 ** 53 - 1])
    expect(listOf(rows)).toHaveLength(PAGE_ROWS)
  })
})

describe('policy', () => {
  it('keeps only the last rule for a pair', async () => {
    const realm = await testRealm()
    const rules = async (): Promise<PolicyRule[]> =>
      listOf((await realm.call('policy', [null, 10]))[0]).map(decodePolicyRule)
    const [ofAdmin] = await rules()
    expect(ofAdmin).toEqual(ruleOf('admin', 'kdc', { claims: [['role', 'admin']] }))
    const rule = ruleOf('web/*', '*', {
      claims: [
        ['role', 'reader'],
        ['tags', ['a', 'b']],
      ],
      maxLife: 60_000,
      methods: ['GET', 'HEAD'],
      paths: ['/a', '/'],
      delegable: true,
    })
    await realm.call('allow', encodePolicyRule(rule))
    expect(await rules()).toEqual([ofAdmin, rule])
    await realm.deny('web/*', '*')
    expect(await rules()).toEqual([ofAdmin, { ...ruleOf('web/*', '*'), effect: 'deny' }])
    await realm.call('allow', encodePolicyRule(rule))
    expect(await rules()).toEqual([ofAdmin, rule])
    await realm.call('forget', [rule.client, rule.service])
    expect(await rules()).toEqual([ofAdmin])
  })

  it('returns the rule of a pair, and stores one only over the one that the caller read', async () => {
    const realm = await testRealm()
    const pair = [local('web'), local('orders')]
    const [none, plain] = [null, ruleOf('web', 'orders')]
    const reader = ruleOf('web', 'orders', { claims: [['role', 'reader']] })
    const change = (rule: PolicyRule, before: PolicyRule | null) =>
      realm.call(rule.effect, encodeRuleChange({ rule, before }))
    expect(await realm.call('rule', pair)).toEqual([none])
    await change(plain, none)
    expect(await realm.call('rule', pair)).toEqual([encodePolicyRule(plain)])
    const stale = { code: 'malformed', message: expect.stringContaining('somebody else changed the rule') }
    for (const before of [none, reader]) await expect(change(reader, before)).rejects.toMatchObject(stale)
    expect(await realm.call('rule', pair)).toEqual([encodePolicyRule(plain)])
    await change(reader, plain)
    await change({ ...plain, effect: 'deny' }, reader)
    await expect(change(plain, reader)).rejects.toMatchObject(stale)
    // A rule that was forgotten and made again has the version of the one before, but says something else.
    await realm.call('forget', pair)
    await change(reader, none)
    await expect(change(plain, { ...plain, effect: 'deny' })).rejects.toMatchObject(stale)
    expect(await realm.call('rule', pair)).toEqual([encodePolicyRule(reader)])
  })

  it('returns pages in the order of client and service', async () => {
    const realm = await testRealm()
    for (const service of ['b', 'a', '*'])
      for (const client of ['web', 'web/1', '*']) await realm.allow(client, service)
    const seen: string[] = []
    for (let after: Value = null; ; ) {
      const rows: PolicyRule[] = listOf((await realm.call('policy', [after, 4]))[0]).map(decodePolicyRule)
      seen.push(...rows.map(({ client, service }) => `${client} ${service}`))
      const last: PolicyRule | undefined = rows.at(-1)
      if (last === undefined || rows.length < 4) break
      after = [last.client, last.service]
    }
    expect(seen).toHaveLength(10)
    expect(seen).toEqual([...seen].sort())
  })

  it('keeps no grants with a denial', async () => {
    const realm = await testRealm()
    const rule = ruleOf('web', 'a', {
      effect: 'deny',
      claims: [['role', 'admin']],
      methods: ['GET'],
      delegable: true,
    })
    await realm.call('deny', encodePolicyRule(rule))
    const [, stored] = listOf((await realm.call('policy', [null, 10]))[0]).map(decodePolicyRule)
    expect(stored).toEqual({ ...ruleOf('web', 'a'), effect: 'deny' })
  })
})

const web = local('web')
const GOOD_RULE = encodePolicyRule(ruleOf('web', 'orders'))
const DENIAL = encodePolicyRule({ ...ruleOf('web', 'orders'), effect: 'deny' })
const withRule = (rule: Partial<PolicyRule>): Value[] => encodePolicyRule(ruleOf('web', 'orders', rule))
const added = (fields: Partial<Record<0 | 1 | 2 | 3 | 4, Value>>): Value[] =>
  [local('new'), null, null, null, null].map((value, i) => fields[i as 0] ?? value)
const sound: Value[] = [17, 8, 1, new Uint8Array(16), new Uint8Array(32)]

describe('a wrong call', () => {
  it.each<[string, AdminMethod | string, Value[], string, RegExp]>([
    ['an unknown method', 'turn', [web], 'malformed', /there is no method "turn"/],
    ['__proto__', '__proto__', [], 'malformed', /there is no method/],
    ['constructor', 'constructor', [], 'malformed', /there is no method/],
    ['the feed: fields missing', 'follow', [null, 0], 'malformed', /fields/],
    ['the feed without a channel', 'follow', [null, null, null], 'not_authorized', /only a channel/],
    ['alive without a channel', 'alive', [], 'not_authorized', /only a channel/],
    ['seen without a channel', 'seen', [1], 'not_authorized', /only a channel/],
    [
      'add: exists',
      'add',
      added({ 0: web }),
      'malformed',
      /web@demo.example exists already.*orthrus admin show web/,
    ],
    ['add: exists as the administrator', 'add', added({ 0: local('admin') }), 'malformed', /exists already/],
    ['add: krbtgt', 'add', added({ 0: local('krbtgt') }), 'malformed', /belongs to the KDC/],
    ['add: kdc', 'add', added({ 0: local('kdc') }), 'malformed', /belongs to the KDC/],
    [
      'add: another realm',
      'add',
      added({ 0: 'web@other.example' }),
      'malformed',
      /not of the realm demo.example/,
    ],
    ['add: no principal', 'add', added({ 0: 'Web' }), 'malformed', /grammar/],
    ['add: a field missing', 'add', [local('new')], 'malformed', /fields/],
    ['add: expired', 'add', added({ 2: START }), 'malformed', /expired already/],
    ['add: a life of nothing', 'add', added({ 3: 0 }), 'malformed', /lifetime/],
    ['add: a text for a number', 'add', added({ 4: '1h' }), 'malformed', /number/],
    ['add: weak parameters', 'add', added({ 1: sound.with(0, 16) }), 'malformed', /scrypt/],
    ['add: absurd parameters', 'add', added({ 1: sound.with(0, 21) }), 'malformed', /scrypt/],
    ['add: a short salt', 'add', added({ 1: sound.with(3, new Uint8Array(15)) }), 'malformed', /bytes/],
    ['add: a short key', 'add', added({ 1: sound.with(4, new Uint8Array(31)) }), 'malformed', /bytes/],
    [
      'show: nobody',
      'show',
      [local('ghost')],
      'unknown_service',
      /there is no principal ghost@demo.example.*orthrus admin list/,
    ],
    ['show: nothing', 'show', [], 'malformed', /fields/],
    ['show: two', 'show', [web, web], 'malformed', /fields/],
    ['show: a number', 'show', [7], 'malformed', /text/],
    ['disable: nobody', 'disable', [local('ghost')], 'unknown_service', /no principal/],
    ['disable: krbtgt', 'disable', [local('krbtgt')], 'not_authorized', /the KDC needs it/],
    ['disable: kdc', 'disable', [local('kdc')], 'not_authorized', /the KDC needs it/],
    ['disable: himself', 'disable', [local('admin')], 'not_authorized', /by itself.*another administrator/],
    ['disable: the presenter', 'disable', [local('deputy')], 'not_authorized', /by itself/],
    ['enable: nobody', 'enable', [local('ghost')], 'unknown_service', /no principal/],
    ['remove: nobody', 'remove', [local('ghost')], 'unknown_service', /no principal/],
    ['remove: krbtgt', 'remove', [local('krbtgt')], 'not_authorized', /the KDC needs it/],
    ['remove: kdc', 'remove', [local('kdc')], 'not_authorized', /the KDC needs it/],
    ['remove: himself', 'remove', [local('admin')], 'not_authorized', /by itself/],
    ['remove: the presenter', 'remove', [local('deputy')], 'not_authorized', /by itself/],
    ['allow: a rule that denies', 'allow', DENIAL, 'malformed', /does not allow/],
    ['deny: a rule that allows', 'deny', GOOD_RULE, 'malformed', /does not deny/],
    ['allow: a field missing', 'allow', GOOD_RULE.slice(1), 'malformed', /fields/],
    ['allow: no pattern', 'allow', GOOD_RULE.with(0, 'we*@demo.example'), 'malformed', /pattern/],
    [
      'allow: a client elsewhere',
      'allow',
      GOOD_RULE.with(0, 'web@other.example'),
      'malformed',
      /not of the realm/,
    ],
    [
      'allow: services elsewhere',
      'allow',
      GOOD_RULE.with(1, 'web/*@other.example'),
      'malformed',
      /not of the realm/,
    ],
    [
      'allow: a realm that ends alike',
      'allow',
      GOOD_RULE.with(1, 'web@x.demo.example'),
      'malformed',
      /not of the realm/,
    ],
    ['allow: krbtgt', 'allow', GOOD_RULE.with(1, local('krbtgt')), 'malformed', /krbtgt/],
    [
      'allow: methods at kdc',
      'allow',
      withRule({ service: pattern('kdc'), methods: ['GET'] }),
      'malformed',
      /neither method nor path/,
    ],
    ['allow: no methods', 'allow', withRule({ methods: [] }), 'malformed', /empty/],
    ['allow: no paths', 'allow', withRule({ paths: [] }), 'malformed', /empty/],
    ['allow: a method in lower case', 'allow', withRule({ methods: ['get'] }), 'malformed', /GET/],
    ['allow: a path that is none', 'allow', withRule({ paths: ['a'] }), 'malformed', /path/],
    ['allow: a path with two readings', 'allow', withRule({ paths: ['/a/../b'] }), 'malformed', /path/],
    [
      'allow: more than 2 KiB of paths',
      'allow',
      withRule({ paths: [`/${'a'.repeat(2048)}`] }),
      'malformed',
      /2 KiB/,
    ],
    [
      'allow: claims out of order',
      'allow',
      GOOD_RULE.with(3, [
        ['b', 1],
        ['a', 1],
      ]),
      'malformed',
      /order/,
    ],
    [
      'allow: a claim twice',
      'allow',
      GOOD_RULE.with(3, [
        ['a', 1],
        ['a', 2],
      ]),
      'malformed',
      /order/,
    ],
    ['allow: a life of nothing', 'allow', GOOD_RULE.with(4, 0), 'malformed', /lifetime/],
    ['allow: after a rule cut off', 'allow', [...GOOD_RULE, GOOD_RULE.slice(1)], 'malformed', /fields/],
    ['allow: after a text', 'allow', [...GOOD_RULE, 'allow'], 'malformed', /list/],
    ['allow: ten arguments', 'allow', [...GOOD_RULE, null, null], 'malformed', /fields/],
    ['allow: after a rule that is not there', 'allow', [...GOOD_RULE, GOOD_RULE], 'malformed', /changed/],
    ['deny: after a rule that is not there', 'deny', [...DENIAL, GOOD_RULE], 'malformed', /changed/],
    ['rule: one pattern', 'rule', [web], 'malformed', /fields/],
    ['rule: no pattern', 'rule', [web, 'x y'], 'malformed', /pattern/],
    [
      'forget: no such rule',
      'forget',
      [web, local('ghost')],
      'malformed',
      /no rule for web ghost.*orthrus admin policy/,
    ],
    ['forget: one pattern', 'forget', [web], 'malformed', /fields/],
    ['list: no limit', 'list', [null], 'malformed', /fields/],
    ['list: no rows', 'list', [null, 0], 'malformed', /no rows/],
    ['list: after no principal', 'list', [['\0'], 1], 'malformed', /grammar/],
    ['list: after a text', 'list', ['web@demo.example', 1], 'malformed', /list/],
    ['policy: after one pattern', 'policy', [[web], 1], 'malformed', /fields/],
    ['policy: after no pattern', 'policy', [[web, 'x y'], 1], 'malformed', /pattern/],
  ])('%s', async (_, method, args, code, message) => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.add('deputy')
    const before = await realm.store.list('principal', { limit: 10 })
    const called = callAs(realm, ['admin', 'deputy'], method, args)
    await expect(called).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(await realm.store.list('principal', { limit: 10 })).toEqual(before)
    expect(await realm.store.list('policy', { limit: 10 })).toHaveLength(1)
  })

  it('a principal that was removed does not exist for any method', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.call('remove', [web])
    for (const method of ['show', 'disable', 'enable', 'remove'] as const) {
      await expect(realm.call(method, [web])).rejects.toMatchObject({ code: 'unknown_service' })
    }
  })
})

describe('an administrator', () => {
  it.each<[string, AdminMethod, Value[]]>([
    ['denied', 'deny', encodePolicyRule({ ...ruleOf('admin', 'kdc'), effect: 'deny' })],
    ['denied with all others', 'deny', encodePolicyRule({ ...ruleOf('*', 'kdc'), effect: 'deny' })],
    ['allowed without the role', 'allow', encodePolicyRule(ruleOf('admin', 'kdc'))],
    [
      'allowed with another role',
      'allow',
      encodePolicyRule(ruleOf('admin', 'kdc', { claims: [['role', 'reader']] })),
    ],
    ['forgotten', 'forget', [local('admin'), local('kdc')]],
  ])('cannot have themselves %s at kdc', async (_, method, args) => {
    const realm = await testRealm()
    await expect(callAs(realm, ['admin'], method, args)).rejects.toMatchObject({
      code: 'not_authorized',
      message: expect.stringContaining('would no longer be an administrator'),
    })
    expect((await login(realm, realm.admin, { services: [local('kdc')] })).reply?.grants[1]?.claims).toEqual([
      ['role', 'admin'],
    ])
  })

  it('may change what others may do at kdc, and themselves if another rule still allows them', async () => {
    const realm = await testRealm()
    const claims = [['role', 'admin']] as const
    await callAs(realm, ['admin'], 'deny', encodePolicyRule({ ...ruleOf('web', 'kdc'), effect: 'deny' }))
    await callAs(realm, ['admin'], 'allow', encodePolicyRule(ruleOf('*', 'kdc', { claims })))
    await callAs(realm, ['admin'], 'forget', [local('admin'), local('kdc')])
    await expect(callAs(realm, ['admin'], 'forget', ['*', local('kdc')])).rejects.toMatchObject({
      code: 'not_authorized',
    })
  })

  it.each<[string, AdminMethod, Value[]]>([
    ['denied', 'deny', encodePolicyRule({ ...ruleOf('deputy', 'kdc'), effect: 'deny' })],
    ['allowed without the role', 'allow', encodePolicyRule(ruleOf('deputy', 'kdc'))],
    ['forgotten', 'forget', [local('deputy'), local('kdc')]],
  ])('cannot have the delegate that calls in their name %s at kdc', async (_, method, args) => {
    const realm = await testRealm()
    await realm.allow('deputy', 'kdc', { claims: [['role', 'admin']] })
    const rules = await realm.store.list('policy', { limit: 10 })
    await expect(callAs(realm, ['admin', 'deputy'], method, args)).rejects.toMatchObject({
      code: 'not_authorized',
      message: expect.stringContaining('deputy@demo.example would no longer be an administrator'),
    })
    expect(await realm.store.list('policy', { limit: 10 })).toEqual(rules)
    await callAs(realm, ['admin'], method, args)
  })

  it.each([
    ['a millisecond', 1, 'not_authorized'],
    ['almost a minute', 59_999, 'not_authorized'],
    ['a minute', 60_000, undefined],
  ])(
    'cannot leave themselves tickets for kdc that end before they can be used: of %s',
    async (_, maxLife, code) => {
      const realm = await testRealm()
      const rule = ruleOf('admin', 'kdc', { claims: [['role', 'admin']], maxLife })
      const called = callAs(realm, ['admin'], 'allow', encodePolicyRule(rule))
      if (code === undefined) await expect(called).resolves.toEqual([])
      else
        await expect(called).rejects.toMatchObject({ code, message: expect.stringMatching(/less than 60 s/) })
      // Those of others may live as briefly as anybody says.
      await callAs(realm, ['admin'], 'allow', encodePolicyRule(ruleOf('web', 'kdc', { maxLife: 1 })))
    },
  )

  it.each<[string, AdminMethod, Value[]]>([
    ['deny', 'deny', encodePolicyRule({ ...ruleOf('admin', 'kdc'), effect: 'deny' })],
    ['forget the rule of', 'forget', [local('admin'), local('kdc')]],
    ['disable', 'disable', [local('admin')]],
    ['remove', 'remove', [local('admin')]],
    [
      'make another in place of',
      'allow',
      encodePolicyRule(ruleOf('web', 'kdc', { claims: [['role', 'admin']] })),
    ],
  ])('whose rule another took away cannot %s that other with the ticket in hand', async (_, method, args) => {
    const realm = await testRealm()
    await realm.add('deputy')
    await realm.allow('deputy', 'kdc', { claims: [['role', 'admin']] })
    await callAs(realm, ['admin'], 'forget', [local('deputy'), local('kdc')])
    const rules = await realm.store.list('policy', { limit: 10 })
    await expect(callAs(realm, ['deputy'], method, args)).rejects.toMatchObject({
      code: 'not_authorized',
      message: expect.stringContaining('deputy@demo.example is no longer an administrator'),
    })
    expect(await realm.store.list('policy', { limit: 10 })).toEqual(rules)
    expect(outcome(await login(realm, realm.admin))).toBe('reply')
  })

  it.each<[string, AdminMethod, Value[]]>([
    ['invite a host of their own as that other', 'invite', [local('admin'), 1, START + HOUR, null]],
    ['invite instances', 'invite', [pattern('web/*'), 9, START + HOUR, null]],
    ['withdraw an invitation', 'uninvite', [local('invite-0123456789abcdef')]],
    [
      'make a removed administrator again',
      'add',
      encodeNewPrincipal({ principal: local('former'), password: null, ...NO_LIMITS }),
    ],
    ['enable a disabled one', 'enable', [local('web')]],
    ['replace a key', 'replace-key', [local('web')]],
    ['allow what is not about kdc', 'allow', encodePolicyRule(ruleOf('deputy', 'web'))],
    ['deny what is not about kdc', 'deny', encodePolicyRule({ ...ruleOf('*', 'web'), effect: 'deny' })],
  ])('whose rule another took away cannot %s with the ticket in hand', async (_, method, args) => {
    const realm = await testRealm()
    for (const name of ['deputy', 'former', 'web']) await realm.add(name)
    for (const name of ['deputy', 'former']) await realm.allow(name, 'kdc', { claims: [['role', 'admin']] })
    await callAs(realm, ['admin'], 'remove', [local('former')])
    await callAs(realm, ['admin'], 'forget', [local('deputy'), local('kdc')])
    const before = await realm.store.list('principal', { limit: 100 })
    const rules = await realm.store.list('policy', { limit: 100 })
    await expect(callAs(realm, ['deputy'], method, args)).rejects.toMatchObject({
      code: 'not_authorized',
      message: expect.stringContaining('deputy@demo.example is no longer an administrator'),
    })
    expect(await realm.store.list('principal', { limit: 100 })).toEqual(before)
    expect(await realm.store.list('policy', { limit: 100 })).toEqual(rules)
  })

  it('of two that take each other’s role away at the same time, one is left', async () => {
    const realm = await testRealm()
    await realm.add('deputy')
    await realm.allow('deputy', 'kdc', { claims: [['role', 'admin']] })
    const attempts = await Promise.allSettled([
      callAs(realm, ['admin'], 'forget', [local('deputy'), local('kdc')]),
      callAs(realm, ['deputy'], 'disable', [local('admin')]),
    ])
    expect(attempts.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('can be removed by another', async () => {
    const realm = await testRealm()
    await realm.allow('deputy', 'kdc', { claims: [['role', 'admin']] })
    await callAs(realm, ['deputy'], 'remove', [local('admin')])
    expect(outcome(await login(realm, realm.admin))).toBe('05 auth_failed')
  })
})

describe('the log of administration', () => {
  it('says who did what on whom, and no secret', async () => {
    const realm = await testRealm()
    const whole = {
      principal: local('ann'),
      password: person,
      expiresAt: null,
      maxLife: null,
      maxRenew: null,
    }
    await callAs(realm, ['admin', 'deputy'], 'add', encodeNewPrincipal(whole))
    await callAs(realm, ['admin'], 'allow', GOOD_RULE)
    await realm.call('disable', [local('ann')])
    expect(realm.logger.lines.map(({ fields }) => fields)).toEqual([
      { by: ['admin@demo.example', 'deputy@demo.example'], method: 'add', on: ['ann@demo.example'] },
      { by: ['admin@demo.example'], method: 'allow', on: ['web@demo.example', 'orders@demo.example'] },
      { by: 'the KDC itself', method: 'disable', on: ['ann@demo.example'] },
    ])
  })

  it('covers every method', async () => {
    const realm = await testRealm()
    const invited = [local('host'), 1, START + 1, null]
    const [invitation = null] = await callAs(realm, ['admin'], 'invite', invited)
    realm.logger.lines.length = 0
    const args: Record<AdminMethod, Value[]> = {
      add: added({}),
      show: [local('new')],
      list: [null, 1],
      disable: [local('new')],
      enable: [local('new')],
      'revoke-client': [local('new')],
      'revoke-ticket': [systemRandom(16), null],
      'revoke-key': [local('new')],
      followers: [1, 0],
      remove: [local('new')],
      allow: GOOD_RULE,
      deny: DENIAL,
      rule: [web, local('orders')],
      forget: [web, local('orders')],
      policy: [null, 1],
      'apply-policy': encodePolicyChange({
        rules: [{ before: null, after: ruleOf('new', 'orders') }],
        members: [],
      }),
      'group-add': ['@team', [web]],
      'group-remove': ['@team', [web]],
      members: [null, null, 1],
      rotate: [web],
      'replace-key': [web],
      'reset-password': [local('ann'), sound],
      due: [null, 1],
      realm: [],
      'set-realm': [encodeRealmChanges({})],
      invite: invited,
      invitations: [null, 1],
      uninvite: [invitation],
      backup: [0],
      audit: encodeAuditQuestion({ filter: EVERYTHING, place: null, wait: 0 }),
      uses: encodeUsesQuestion({ filter: EVERYTHING, place: null }),
      'rotate-master-key': [null],
    }
    await realm.add('web')
    await realm.add('ann', { password: person })
    realm.logger.lines.length = 0
    for (const method of ADMIN_METHODS) await callAs(realm, ['admin'], method, args[method])
    expect(realm.logger.lines.map(({ fields }) => fields.method)).toEqual([...ADMIN_METHODS])
  })
})

describe('changes at the same time', () => {
  it('are decided again if another process was first, and given up after a few times', async () => {
    const realm = await testRealm()
    await realm.add('web')
    realm.store.commit = interrupted(realm, 3)
    await realm.call('disable', [web])
    expect(await realm.record('web')).toMatchObject({ disabled: true, maxLife: 1 })
    realm.store.commit = interrupted(realm, COMMIT_ATTEMPTS)
    await expect(realm.call('enable', [web])).rejects.toMatchObject({ code: 'unavailable' })
    expect((await realm.record('web')).disabled).toBe(true)
  })
})

/** Somebody else changes web first, so many times. */
function interrupted(realm: TestRealm, times: number): TestRealm['store']['commit'] {
  const commit = Object.getPrototypeOf(realm.store).commit as TestRealm['store']['commit']
  let left = times
  return async changes => {
    if (left > 0) {
      left -= 1
      realm.store.commit = async others => commit.call(realm.store, others)
      await realm.amend('web', record => ({ ...record, maxLife: left + 1 }))
      realm.store.commit = interrupted(realm, left)
    }
    return commit.call(realm.store, changes)
  }
}
