import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import { GROUPS_OF_PRINCIPAL } from '../../../kdc/limits/defaults.js'
import { decodeGroupsOfPrincipal, encodeGroupChange } from '../../../shared/administration/groups.js'
import { encodePolicyRule } from '../../../shared/administration/rules.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { listOf } from '../../../shared/encoding/fields.js'
import type { Pattern } from '../../../shared/pattern.js'
import { HOUR } from '../../../shared/time.js'
import {
  administrator,
  ask,
  denialsOf,
  grantOf,
  local,
  login,
  openedBy,
  pattern,
  ruleOf,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

function moved(realm: TestRealm, method: 'group-add' | 'group-remove', group: string, ...names: string[]) {
  return realm.call(method, encodeGroupChange({ group: group as Pattern, principals: names.map(local) }))
}

function callAs(realm: TestRealm, client: string, method: string, args: readonly Value[]): Promise<Value[]> {
  const caller = administrator(local(client))
  return callMethod({ ...ownContext(realm.realm, realm.context.report), caller }, method, args)
}

async function membersOf(realm: TestRealm, group: string | null): Promise<string[]> {
  const rows: string[] = []
  for (let after: Value = null; ; ) {
    const [page] = await realm.call('members', [group, after, 2])
    const some = listOf(page).map(decodeGroupsOfPrincipal)
    rows.push(...some.map(({ principal, groups }) => `${principal.split('@')[0]} ${groups.join(',')}`))
    if (some.length < 2) return rows
    after = some.at(-1)?.principal ?? null
  }
}

describe('a group', () => {
  it('has the principals that were put into it, each once', async () => {
    const realm = await testRealm()
    for (const name of ['a', 'b', 'c', 'd']) await realm.add(name)
    expect(await moved(realm, 'group-add', '@x', 'a', 'b', 'c')).toEqual([['a', 'b', 'c'].map(local)])
    expect(await moved(realm, 'group-add', '@x', 'c', 'd')).toEqual([[local('d')]])
    await moved(realm, 'group-add', '@w', 'b')
    expect(await moved(realm, 'group-remove', '@x', 'a', 'b')).toEqual([['a', 'b'].map(local)])
    expect(await moved(realm, 'group-remove', '@x', 'a')).toEqual([[]])
    expect(await membersOf(realm, null)).toEqual(['b @w', 'c @x', 'd @x'])
    expect(await membersOf(realm, '@x')).toEqual(['c @x', 'd @x'])
    expect(await membersOf(realm, '@none')).toEqual([])
  })

  it.each([
    ['a principal that does not exist', '@x', ['nobody'], 'unknown_service'],
    ['the KDC', '@x', ['kdc'], 'malformed'],
    ['krbtgt', '@x', ['krbtgt'], 'malformed'],
    ['a principal of another realm', '@x', ['web@other.example'], 'malformed'],
    ['nobody', '@x', [], 'malformed'],
    ['a principal twice', '@x', ['web', 'web'], 'malformed'],
    ['a principal into what is no group', 'x@demo.example', ['web'], 'malformed'],
    ['a principal into everyone', '*', ['web'], 'malformed'],
  ])('does not take %s, and nothing changes', async (_, group, names, code) => {
    const realm = await testRealm()
    await realm.add('web')
    const others =
      names.length === 1 ? ['web', ...names].filter((name, i) => i > 0 || name !== names[0]) : names
    const taken = moved(realm, 'group-add', group, ...others)
    await expect(taken).rejects.toMatchObject({ code })
    expect(await membersOf(realm, null)).toEqual([])
  })

  it('takes neither a pattern nor another group', async () => {
    const realm = await testRealm()
    for (const name of ['*', '@other', 'web/*@demo.example'])
      await expect(realm.call('group-add', ['@x', [name]])).rejects.toMatchObject({ code: 'malformed' })
  })

  it('takes no invitation', async () => {
    const realm = await testRealm()
    const [invitation = null] = await realm.call('invite', [local('host'), 1, START + HOUR, null])
    const taken = realm.call('group-add', ['@x', [invitation]])
    await expect(taken).rejects.toMatchObject({ code: 'unknown_service' })
  })

  it('is one of a bounded number', async () => {
    const realm = await testRealm()
    await realm.add('web')
    for (let i = 0; i < GROUPS_OF_PRINCIPAL; i++) await moved(realm, 'group-add', `@g${i}`, 'web')
    await expect(moved(realm, 'group-add', '@more', 'web')).rejects.toMatchObject({ code: 'malformed' })
    await moved(realm, 'group-add', '@g0', 'web')
    const { groups } = await realm.record('web')
    expect(groups).toEqual([...groups].sort())
    expect(groups).toHaveLength(GROUPS_OF_PRINCIPAL)
  })

  it('is left by a principal that is removed, and not entered by one made later under its name', async () => {
    const realm = await testRealm()
    await realm.add('web')
    const orders = await realm.add('orders')
    await realm.allow('@backend' as string, 'orders', { client: '@backend' as Pattern })
    await moved(realm, 'group-add', '@backend', 'web')
    await realm.call('remove', [local('web')])
    expect(await membersOf(realm, null)).toEqual([])
    const again = await realm.add('web')
    const tgt = grantOf(await login(realm, again))
    expect(denialsOf(await ask(realm, tgt, { services: [orders.principal] }))).toEqual([
      'orders policy_denied',
    ])
    expect((await realm.record('web')).groups).toEqual([])
  })
})

describe('rules about groups', () => {
  const inGroup = (client: string, service: string, rule = {}) =>
    encodePolicyRule({ ...ruleOf(client, service, rule), client: at(client), service: at(service) })
  const at = (name: string): Pattern => (name.startsWith('@') ? (name as Pattern) : pattern(name))

  it.each([
    ['@clients', 'orders'],
    ['web', '@services'],
    ['@clients', '@services'],
    ['@clients', '*'],
    ['*', '@services'],
  ])('%s -> %s are in force from the next ticket on, and until a member leaves', async (client, service) => {
    const realm = await testRealm()
    const [web, orders] = [await realm.add('web'), await realm.add('orders')]
    await realm.call('allow', inGroup(client, service, { claims: [['role', 'reader']] }))
    const tgt = grantOf(await login(realm, web))
    const asked = () => ask(realm, tgt, { services: [orders.principal] })
    if (client !== '@clients' || service !== '*') expect(denialsOf(await asked())).toHaveLength(1)
    await moved(realm, 'group-add', '@clients', 'web')
    await moved(realm, 'group-add', '@services', 'orders')
    expect(openedBy(orders, grantOf(await asked())).claims).toEqual([['role', 'reader']])
    await moved(
      realm,
      'group-remove',
      client === '@clients' ? '@clients' : '@services',
      client === '@clients' ? 'web' : 'orders',
    )
    expect(denialsOf(await asked())).toEqual(['orders policy_denied'])
  })

  it('deny a member what another rule allows', async () => {
    const realm = await testRealm()
    const [web, orders] = [await realm.add('web'), await realm.add('orders')]
    await realm.allow('web', 'orders')
    await realm.call('deny', inGroup('@shut', '*').with(2, 'deny'))
    const tgt = grantOf(await login(realm, web))
    expect(denialsOf(await ask(realm, tgt, { services: [orders.principal] }))).toEqual([])
    await moved(realm, 'group-add', '@shut', 'web')
    expect(denialsOf(await ask(realm, tgt, { services: [orders.principal] }))).toEqual([
      'orders policy_denied',
    ])
  })

  it('never are about the KDC as a service of a group', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.call('allow', inGroup('*', '@services', { claims: [['role', 'admin']] }))
    const kdc = grantOf(await login(realm, web, { services: [local('kdc')] }), 1)
    expect(kdc.claims).toEqual([])
  })
})

describe('a group of administrators', () => {
  const role = { claims: [['role', 'admin']] } as const
  const AT_KDC = encodePolicyRule({ ...ruleOf('x', 'kdc', role), client: '@ops' as Pattern })

  async function withOps(): Promise<TestRealm> {
    const realm = await testRealm()
    for (const name of ['deputy', 'web']) await realm.add(name)
    await realm.call('allow', AT_KDC)
    await moved(realm, 'group-add', '@ops', 'deputy')
    return realm
  }

  it('administers, until its member leaves, whatever an old ticket says', async () => {
    const realm = await withOps()
    await callAs(realm, 'deputy', 'rotate', [local('web')])
    await moved(realm, 'group-remove', '@ops', 'deputy')
    const called = callAs(realm, 'deputy', 'rotate', [local('web')])
    await expect(called).rejects.toMatchObject({
      code: 'not_authorized',
      reason: expect.stringContaining('no longer'),
    })
  })

  it.each([
    ['leaves the group', 'group-remove', ['@ops', [local('deputy')]]],
    ['enters a group that is denied', 'group-add', ['@shut', [local('deputy')]]],
    ['forgets the rule of the group', 'forget', ['@ops', local('kdc')]],
    ['denies the group', 'deny', [...AT_KDC.with(2, 'deny')]],
    ['gives the role of the group an end', 'allow', AT_KDC.with(8, START + HOUR)],
  ])('does not lose its role by its own hand: it %s', async (_, method, args) => {
    const realm = await withOps()
    await realm.call(
      'deny',
      encodePolicyRule({ ...ruleOf('x', 'kdc'), effect: 'deny', client: '@shut' as Pattern }),
    )
    const called = callAs(realm, 'deputy', method, args as Value[])
    await expect(called).rejects.toMatchObject({
      code: 'not_authorized',
      reason: expect.stringContaining('deputy'),
    })
    await callAs(realm, 'admin', method, args as Value[])
  })

  it('takes in others by the hand of an administrator without an end alone', async () => {
    const realm = await withOps()
    await realm.call('allow', AT_KDC.with(8, START + HOUR))
    for (const [method, args] of [
      ['group-add', ['@ops', [local('web')]]],
      ['group-remove', ['@ops', [local('admin')]]],
      ['allow', encodePolicyRule(ruleOf('web', 'kdc', role))],
      ['allow', encodePolicyRule(ruleOf('deputy', 'kdc', role))],
      ['forget', [local('admin'), local('kdc')]],
    ] as const) {
      const called = callAs(realm, 'deputy', method, args as Value[])
      if (method === 'group-remove') await called
      else
        await expect(called).rejects.toMatchObject({
          code: 'not_authorized',
          reason: expect.stringContaining('until'),
        })
    }
    // What does not concern who administers is its own.
    await callAs(realm, 'deputy', 'group-add', ['@backend', [local('web')]])
    await callAs(realm, 'deputy', 'allow', encodePolicyRule(ruleOf('web', 'deputy')))
    realm.clock.advance(HOUR)
    const late = callAs(realm, 'deputy', 'group-add', ['@late', [local('web')]])
    await expect(late).rejects.toMatchObject({ reason: expect.stringContaining('no longer') })
  })
})
