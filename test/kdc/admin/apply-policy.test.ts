import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import { encodePolicyChange, type PolicyChange } from '../../../shared/administration/policy-change.js'
import { decodePolicyRule, encodePolicyRule } from '../../../shared/administration/rules.js'
import { listOf } from '../../../shared/encoding/fields.js'
import type { Pattern } from '../../../shared/pattern.js'
import { administrator, local, ruleOf, START, type TestRealm, testRealm } from '../../support/realm.js'

const GROUP = '@backend' as Pattern
const joins = (name: string, joins = true) => ({ group: GROUP, principal: local(name), joins })
const web = ruleOf('web', 'orders')
const reader = ruleOf('web', 'orders', { claims: [['role', 'reader']] })

async function scene(): Promise<TestRealm> {
  const realm = await testRealm()
  for (const name of ['web', 'orders', 'deputy']) await realm.add(name)
  return realm
}

function apply(realm: TestRealm, change: Partial<PolicyChange>, as = 'admin'): Promise<unknown> {
  const whole = encodePolicyChange({ rules: [], members: [], ...change })
  const context = { ...ownContext(realm.realm, realm.context.report), caller: administrator(local(as)) }
  return callMethod(context, 'apply-policy', whole)
}

async function stored(realm: TestRealm): Promise<unknown> {
  const rules = listOf((await realm.call('policy', [null, 99]))[0]).map(decodePolicyRule)
  return [rules.filter(({ service }) => !service.startsWith('kdc@')), (await realm.record('web')).groups]
}

describe('apply-policy', () => {
  it('makes all changes together, and reports them as one', async () => {
    const realm = await scene()
    const all = ruleOf('*', 'orders')
    await apply(realm, {
      rules: [
        { before: null, after: web },
        { before: null, after: all },
      ],
      members: [joins('web')],
    })
    expect(await stored(realm)).toEqual([[all, web], [GROUP]])
    realm.logger.lines.length = 0
    const rules = [
      { before: web, after: reader },
      { before: all, after: null },
    ]
    await apply(realm, { rules, members: [joins('web', false), joins('orders')] })
    expect(await stored(realm)).toEqual([[reader], []])
    const told = realm.logger.lines.filter(({ fields }) => fields.method === 'apply-policy')
    expect(told.map(({ fields }) => fields)).toEqual([
      {
        by: [local('admin')],
        method: 'apply-policy',
        on: [
          `${local('web')} ${local('orders')}`,
          `* ${local('orders')}`,
          `@backend ${local('web')}`,
          `@backend ${local('orders')}`,
        ],
      },
    ])
  })

  it.each<[string, Partial<PolicyChange>, string]>([
    ['a rule that is there by now', { rules: [{ before: null, after: reader }] }, 'the rule of web orders'],
    ['a rule that is another by now', { rules: [{ before: reader, after: null }] }, 'the rule of web orders'],
    [
      'a rule that is gone by now',
      { rules: [{ before: ruleOf('*', 'orders'), after: null }] },
      'the rule of * orders',
    ],
    ['a member who is in by now', { members: [joins('web')] }, 'somebody else put web into @backend'],
    [
      'a member who is out by now',
      { members: [joins('orders', false)] },
      'somebody else took orders out of @backend',
    ],
    ['a member who does not exist', { members: [joins('nobody')] }, 'there is no principal nobody'],
    ['a rule that makes no sense', { rules: [{ before: null, after: ruleOf('web', 'krbtgt') }] }, 'krbtgt'],
    [
      'a rule that has ended',
      { rules: [{ before: null, after: ruleOf('*', '*', { until: START }) }] },
      'ended',
    ],
    ['the KDC as a member', { members: [joins('kdc')] }, 'can be in no group'],
  ])('refuses %s by its name, and changes nothing of the rest', async (_, change, message) => {
    const realm = await scene()
    await realm.call('allow', encodePolicyRule(web))
    await realm.call('group-add', [GROUP, [local('web')]])
    const before = await stored(realm)
    const other = { before: null, after: ruleOf('other', 'orders') }
    const whole = { ...change, rules: [other, ...(change.rules ?? [])] }
    const code = message.includes('nobody') ? 'unknown_service' : 'malformed'
    await expect(apply(realm, whole)).rejects.toMatchObject({
      code,
      reason: expect.stringContaining(message),
    })
    expect(await stored(realm)).toEqual(before)
  })

  it('does not leave its administrator without the role, by whatever of the changes', async () => {
    const realm = await scene()
    const role = { claims: [['role', 'admin']] } as const
    const atKdc = ruleOf('admin', 'kdc', role)
    const ops = { ...ruleOf('x', 'kdc', role), client: '@ops' as Pattern }
    const shut = { ...ruleOf('x', 'kdc'), client: GROUP, effect: 'deny' } as const
    for (const change of [
      { rules: [{ before: atKdc, after: null }] },
      { rules: [{ before: null, after: shut }], members: [joins('admin')] },
    ])
      await expect(apply(realm, change)).rejects.toMatchObject({ code: 'not_authorized' })
    // By a group in the same change it keeps the role.
    const members = [{ group: '@ops' as Pattern, principal: local('admin'), joins: true }]
    await apply(realm, {
      rules: [
        { before: atKdc, after: null },
        { before: null, after: ops },
      ],
      members,
    })
    await apply(realm, { members: [joins('web')] })
  })

  it('is decided by whoever is first of two', async () => {
    const realm = await scene()
    const change = { rules: [{ before: null, after: web }] }
    const results = await Promise.allSettled([apply(realm, change), apply(realm, change)])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('refuses a change twice, and of two pairs', async () => {
    const realm = await scene()
    const same = { before: null, after: web }
    await expect(apply(realm, { rules: [same, same] })).rejects.toMatchObject({ code: 'malformed' })
    await expect(apply(realm, { members: [joins('web'), joins('web', false)] })).rejects.toMatchObject({
      code: 'malformed',
    })
    const two = [[encodePolicyRule(web), encodePolicyRule(ruleOf('web', 'web'))]]
    await expect(realm.call('apply-policy', [two, []])).rejects.toMatchObject({ code: 'malformed' })
    await expect(realm.call('apply-policy', [[[null, null]], []])).rejects.toMatchObject({
      code: 'malformed',
    })
  })
})
