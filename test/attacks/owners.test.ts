import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { authorityIn, mayReadAuditOf } from '../../kdc/issue/ownership.js'
import { REALM_BOUNDS } from '../../kdc/limits/defaults.js'
import {
  decodeInvitationSummary,
  decodeMadeInvitation,
  encodeNewInvitation,
} from '../../shared/administration/invitations.js'
import { formatPolicyFile, parsePolicyFile } from '../../shared/administration/policy-file.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { decodePolicyRule, encodePolicyRule } from '../../shared/administration/rules.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { listOf } from '../../shared/encoding/fields.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Claims, ClaimValue } from '../../shared/ticket/claims.js'
import { DAY, HOUR, MINUTE } from '../../shared/time.js'
import { enrol } from '../support/invitations.js'
import {
  callerOf,
  type Identity,
  local,
  login,
  outcome,
  pattern,
  REALM,
  ruleOf,
  START,
  type TestRealm,
  testRealm,
} from '../support/realm.js'

/** What the owner of one service tries beyond it. The rules give the claim `owner`; tickets only repeat it. */

const OWNER = 'alice'

async function scene(owner: ClaimValue = 'orders', expiresAt: number | null = null): Promise<TestRealm> {
  const realm = await testRealm()
  await realm.add(OWNER, { expiresAt })
  for (const name of ['web', 'orders', 'billing', 'orders/1']) await realm.add(name)
  await realm.allow(OWNER, 'kdc', { claims: [['owner', owner]] })
  return realm
}

const at = (name: string): Pattern => (name.startsWith('@') ? (name as Pattern) : pattern(name))
const ruleFor = (client: string, service: string, rule: Partial<PolicyRule> = {}) =>
  encodePolicyRule({ ...ruleOf('x', 'x', rule), client: at(client), service: at(service) })
const deny = { effect: 'deny' } as const
const inviting = (target: string, endsAt = START + HOUR) =>
  encodeNewInvitation({ target: at(target), uses: 1, endsAt, principalsLife: null })

/** A call with a ticket that has these claims; by default those of the rule. */
function call(
  realm: TestRealm,
  method: string,
  args: readonly Value[],
  claims: Claims = [['owner', 'orders']],
): Promise<Value[]> {
  const caller = { ...callerOf(local(OWNER), realm.clock.now()), claims }
  return callMethod({ ...ownContext(realm.realm, realm.context.report), caller }, method, args)
}

async function stored(realm: TestRealm): Promise<string> {
  const kinds = ['policy', 'principal', 'revocation'] as const
  const lists = await Promise.all(kinds.map(kind => realm.store.list(kind, { limit: 999 })))
  return lists
    .flat()
    .map(({ name, version }) => `${name} ${version}`)
    .join('\n')
}

async function refused(realm: TestRealm, made: () => Promise<unknown>): Promise<void> {
  const before = await stored(realm)
  await expect(made()).rejects.toMatchObject({ code: 'not_authorized' })
  expect(await stored(realm)).toBe(before)
}

describe('the owner of a service', () => {
  it('says who may call it, invites and rotates it, and sees what is about it', async () => {
    const realm = await scene()
    await realm.allow('web', 'billing')
    await realm.call('invite', inviting('billing'))
    await call(realm, 'allow', ruleFor('web', 'orders', { delegable: true, claims: [['role', 'reader']] }))
    await call(realm, 'deny', ruleFor('*', 'orders', deny))
    const rows = listOf((await call(realm, 'policy', [null, 100]))[0]).map(decodePolicyRule)
    expect(rows.map(({ client, service }) => [client, service])).toEqual([
      ['*', local('orders')],
      [local('web'), local('orders')],
    ])
    // No record is read for each rule of others: that would be much work for a small question.
    const reads = vi.spyOn(realm.realm.vault, 'read')
    onTestFinished(() => reads.mockRestore())
    for (let i = 0; i < 20; i++) await realm.allow(`client-${i}`, 'billing')
    reads.mockClear()
    await call(realm, 'policy', [null, 100])
    expect(reads.mock.calls.length).toBeLessThan(10)
    // A page is filled with what may be seen, whatever lies between.
    expect(listOf((await call(realm, 'policy', [null, 1]))[0])).toHaveLength(1)
    expect(await call(realm, 'rule', [local('web'), local('orders')])).toHaveLength(1)
    await call(realm, 'forget', ['*', local('orders')])
    await call(realm, 'rotate', [local('orders')])
    await call(realm, 'show', [local('orders')])
    const { invitation } = decodeMadeInvitation(await call(realm, 'invite', inviting('orders')))
    const seen = listOf((await call(realm, 'invitations', [null, 9]))[0]).map(decodeInvitationSummary)
    expect(seen.map(({ target }) => target)).toEqual([local('orders')])
    await call(realm, 'uninvite', [invitation.principal])
    expect(realm.logger.lines.at(-1)?.fields).toMatchObject({ by: [local(OWNER)], method: 'uninvite' })
  })

  it.each<[string, string, readonly Value[]]>([
    ['allow another service', 'allow', ruleFor('web', 'billing')],
    ['allow itself another service', 'allow', ruleFor(OWNER, 'billing')],
    ['allow itself the KDC', 'allow', ruleFor(OWNER, 'kdc', { claims: [['role', 'admin']] })],
    [
      'allow itself the KDC by more ownership',
      'allow',
      ruleFor(OWNER, 'kdc', { claims: [['owner', 'billing']] }),
    ],
    ['allow its service the KDC', 'allow', ruleFor('orders', 'kdc', { claims: [['role', 'admin']] })],
    ['allow another the KDC', 'allow', ruleFor('web', 'kdc')],
    ['allow itself everything', 'allow', ruleFor(OWNER, '*')],
    ['allow the instances of its service', 'allow', ruleFor('web', 'orders/*')],
    ['allow an instance of its service', 'allow', ruleFor('web', 'orders/1')],
    ['allow a group that its service is in', 'allow', ruleFor('web', '@backend')],
    ['deny everybody everything', 'deny', ruleFor('*', '*', deny)],
    ['deny an administrator the KDC', 'deny', ruleFor('admin', 'kdc', deny)],
    ['deny another service', 'deny', ruleFor('web', 'billing', deny)],
    ['read a rule of another service', 'rule', [local('web'), local('billing')]],
    ['read a rule of the KDC', 'rule', [local('admin'), local('kdc')]],
    ['forget a rule of another service', 'forget', [local('web'), local('billing')]],
    ['forget the rule of an administrator', 'forget', [local('admin'), local('kdc')]],
    ['forget its own rule', 'forget', [local(OWNER), local('kdc')]],
    ['invite another name', 'invite', inviting('billing')],
    ['invite itself', 'invite', inviting(OWNER)],
    ['invite an administrator', 'invite', inviting('admin')],
    ['invite the instances of its service', 'invite', inviting('orders/*')],
    ['rotate krbtgt', 'rotate', [local('krbtgt')]],
    ['rotate kdc', 'rotate', [local('kdc')]],
    ['rotate another', 'rotate', [local('billing')]],
    ['look at another', 'show', [local('billing')]],
    ['look at whether a name exists', 'show', [local('nobody')]],
    ['look at whether an invitation exists', 'uninvite', [local('invite-0123456789abcdef')]],
    ['put its service into a group', 'group-add', ['@ops', [local('orders')]]],
    ['put itself into a group', 'group-add', ['@backend', [local(OWNER)]]],
    ['take a member out of a group', 'group-remove', ['@backend', [local('web')]]],
    ['look at groups', 'members', [null, null, 9]],
    ['take the key of its service at once', 'replace-key', [local('orders')]],
    ['remove its service, to make it again', 'remove', [local('orders')]],
    ['register another', 'add', [local('new'), null, null, null, null]],
    ['change the realm', 'set-realm', [[null, null, null, [null, null, null]]]],
  ])('cannot %s, and nothing changes', async (_, method, args) => {
    const realm = await scene()
    await realm.allow('web', 'billing')
    await realm.call('group-add', ['@backend', [local('orders'), local('web')]])
    await refused(realm, () => call(realm, method, args))
  })

  it.each(['kdc', 'krbtgt', '@backend', '*'])('cannot invite %s, as nobody can', async target => {
    const realm = await scene(target === '@backend' ? target : 'orders')
    const claims: Claims = [['owner', target === '@backend' ? target : 'orders']]
    const before = await stored(realm)
    await expect(call(realm, 'invite', inviting(target), claims)).rejects.toMatchObject({ code: 'malformed' })
    expect(await stored(realm)).toBe(before)
  })

  it.each<[string, Partial<PolicyRule>]>([
    ['that ends in the year 10000', { until: Date.UTC(10_000, 0) }],
    ['that ends at no date', { until: Number.MAX_SAFE_INTEGER }],
    ['whose tickets live for ever', { maxLife: Number.MAX_SAFE_INTEGER }],
  ])('cannot make a rule %s, which would keep all rules from being exported', async (_, terms) => {
    const realm = await scene()
    const before = await stored(realm)
    const made = call(realm, 'allow', ruleFor('web', 'orders', terms))
    await expect(made).rejects.toMatchObject({ code: 'malformed' })
    expect(await stored(realm)).toBe(before)
    const edge = { until: Date.UTC(9999, 11, 31), maxLife: REALM_BOUNDS.CENTURY }
    await call(realm, 'allow', ruleFor('web', 'orders', edge))
    const rules = listOf((await call(realm, 'policy', [null, 9]))[0]).map(decodePolicyRule)
    const file = formatPolicyFile(REALM, { groups: new Map(), rules })
    expect(parsePolicyFile(file).rules).toEqual(rules)
  })

  it('cannot withdraw the invitation of another service', async () => {
    const realm = await scene()
    const { invitation } = decodeMadeInvitation(await realm.call('invite', inviting('billing')))
    await refused(realm, () => call(realm, 'uninvite', [invitation.principal]))
  })
})

describe('the key of a service', () => {
  const role: Claims = [['role', 'admin']]

  it.each<[string, (realm: TestRealm) => Promise<unknown>]>([
    ['administers', realm => realm.allow('orders', 'kdc', { claims: role })],
    ['owns another', realm => realm.allow('orders', 'kdc', { claims: [['owner', 'billing']] })],
    [
      'owns more than its owner',
      realm => realm.allow('orders', 'kdc', { claims: [['owner', ['orders', 'web']]] }),
    ],
    ['administers as everybody does', realm => realm.allow('*', 'kdc', { claims: role })],
    [
      'administers as a member of a group',
      async realm => {
        await realm.call('allow', ruleFor('@ops', 'kdc', { claims: role }))
        await realm.call('group-add', ['@ops', [local('orders')]])
      },
    ],
    [
      'would administer, were it not denied for now',
      async realm => {
        await realm.call('allow', ruleFor('@ops', 'kdc', { claims: role }))
        await realm.call('group-add', ['@ops', [local('orders')]])
        await realm.call('deny', ruleFor('orders', 'kdc', { ...deny, until: START + MINUTE }))
      },
    ],
  ])('that %s does not come to its owner by an invitation', async (_, prepare) => {
    const realm = await scene()
    await prepare(realm)
    await refused(realm, () => call(realm, 'invite', inviting('orders')))
  })

  it('that administers only later does not come to its owner either', async () => {
    const realm = await scene()
    const { invitation } = decodeMadeInvitation(await call(realm, 'invite', inviting('orders')))
    const staged = await enrol(realm, invitation)
    await realm.allow('orders', 'kdc', { claims: role })
    await refused(realm, () => enrol(realm, invitation))
    expect(outcome(await login(realm, staged))).toBe('06 not_authorized')
    await realm.call('forget', [local('orders'), local('kdc')])
    expect(outcome(await login(realm, staged))).toBe('reply')
  })

  it('that administered until its rule ended comes to its owner from then on', async () => {
    const realm = await scene()
    await realm.allow('orders', 'kdc', { claims: role, until: START + MINUTE })
    await refused(realm, () => call(realm, 'invite', inviting('orders')))
    realm.clock.pass(MINUTE - 1)
    await refused(realm, () => call(realm, 'invite', inviting('orders')))
    realm.clock.pass(1)
    await call(realm, 'invite', inviting('orders'))
  })

  it('does not come to whoever was its owner when the invitation was made, and is not any more', async () => {
    const realm = await scene()
    const { invitation } = decodeMadeInvitation(await call(realm, 'invite', inviting('orders')))
    const staged: Identity = await enrol(realm, invitation)
    await realm.call('forget', [local(OWNER), local('kdc')])
    await refused(realm, () => enrol(realm, invitation))
    expect(outcome(await login(realm, staged))).toBe('06 not_authorized')
  })

  it.each<[string, (realm: TestRealm) => Promise<unknown>, string?]>([
    ['disabled', realm => realm.call('disable', [local(OWNER)])],
    ['removed', realm => realm.call('remove', [local(OWNER)])],
    [
      'removed, and made again by its name',
      async realm => {
        await realm.call('remove', [local(OWNER)])
        await realm.add(OWNER)
      },
    ],
    [
      'disabled, and enabled again',
      async realm => {
        await realm.call('disable', [local(OWNER)])
        await realm.call('enable', [local(OWNER)])
      },
    ],
    ['robbed of its tickets', realm => realm.call('revoke-client', [local(OWNER)])],
    ['robbed of its key', realm => realm.call('revoke-key', [local(OWNER)])],
    ['given another key in place of a stolen one', realm => realm.call('replace-key', [local(OWNER)])],
    ['due to expire, and has', async realm => realm.clock.pass(10 * MINUTE), 'principal_disabled'],
  ])(
    'does not come by an invitation of an owner that was %s since',
    async (_, end, code = 'not_authorized') => {
      const realm = await scene('orders', START + 10 * MINUTE)
      const { invitation } = decodeMadeInvitation(await call(realm, 'invite', inviting('orders')))
      const staged: Identity = await enrol(realm, invitation)
      await end(realm)
      const before = await stored(realm)
      await expect(enrol(realm, invitation)).rejects.toMatchObject({ code })
      expect(await stored(realm)).toBe(before)
      expect(outcome(await login(realm, staged))).toBe(`06 ${code}`)
    },
  )

  it('is invited by its owner for a day at most', async () => {
    const realm = await scene()
    await expect(call(realm, 'invite', inviting('orders', START + DAY + 1))).rejects.toMatchObject({
      code: 'malformed',
    })
    await call(realm, 'invite', inviting('orders', START + DAY))
    await realm.call('invite', inviting('orders', START + 9 * DAY))
  })
})

describe('an ownership', () => {
  it('that was taken away meanwhile serves no more, whatever the ticket says', async () => {
    const realm = await scene()
    await realm.call('forget', [local(OWNER), local('kdc')])
    for (const [method, args] of [
      ['allow', ruleFor('web', 'orders')],
      ['rule', [local('web'), local('orders')]],
      ['show', [local('orders')]],
      ['invite', inviting('orders')],
    ] as const)
      await refused(realm, () => call(realm, method, args))
    expect(listOf((await call(realm, 'policy', [null, 9]))[0])).toEqual([])
  })

  it('that is being taken away in a call before is gone when the next one is committed', async () => {
    const realm = await scene()
    const results = await Promise.allSettled([
      realm.call('forget', [local(OWNER), local('kdc')]),
      call(realm, 'allow', ruleFor('web', 'orders')),
      call(realm, 'rotate', [local('orders')]),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  })

  it('that the ticket does not have is not taken from the rules', async () => {
    const realm = await scene()
    for (const claims of [[], [['owner', 'billing']], [['role', 'reader']]] as Claims[])
      await refused(realm, () => call(realm, 'allow', ruleFor('web', 'orders'), claims))
  })

  it('that has an end ends', async () => {
    const realm = await scene()
    await realm.allow(OWNER, 'kdc', { claims: [['owner', 'orders']], until: START + MINUTE })
    await call(realm, 'allow', ruleFor('web', 'orders'))
    realm.clock.pass(MINUTE)
    await refused(realm, () => call(realm, 'allow', ruleFor('billing', 'orders')))
  })

  it('of a group is of its members at the moment of each call', async () => {
    const realm = await scene('@backend')
    const claims: Claims = [['owner', '@backend']]
    const allowed = (service: string) => call(realm, 'allow', ruleFor('web', service), claims)
    await realm.call('group-add', ['@backend', [local('orders')]])
    await allowed('orders')
    await allowed('@backend')
    await refused(realm, () => allowed('billing'))
    const results = await Promise.allSettled([
      realm.call('group-remove', ['@backend', [local('orders')]]),
      allowed('orders'),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('that comes by a group is lost with the membership, and not found again by the name', async () => {
    const realm = await scene()
    await realm.call('forget', [local(OWNER), local('kdc')])
    await realm.call('allow', ruleFor('@team', 'kdc', { claims: [['owner', 'orders']] }))
    await realm.call('group-add', ['@team', [local(OWNER)]])
    await call(realm, 'allow', ruleFor('web', 'orders'))
    await realm.call('remove', [local(OWNER)])
    await realm.add(OWNER)
    await refused(realm, () => call(realm, 'allow', ruleFor('billing', 'orders')))
  })

  it('of instances is of each of them, and not of the name', async () => {
    const realm = await scene('orders/*')
    const claims: Claims = [['owner', 'orders/*']]
    for (const service of ['orders/1', 'orders/7', 'orders/*'])
      await call(realm, 'allow', ruleFor('web', service), claims)
    for (const service of ['orders', 'billing', 'orders2/1', '*'])
      await refused(realm, () => call(realm, 'allow', ruleFor('web', service), claims))
  })

  it.each(['kdc', 'krbtgt', '*', 'kdc/*', 'kdc@demo.example', '', 'Orders', 'invite-0123456789abcdef'])(
    'of %j is not given, and gives nothing',
    async name => {
      const realm = await scene()
      const given = realm.allow('web', 'kdc', { claims: [['owner', name]] })
      await expect(given).rejects.toMatchObject({ code: 'malformed' })
      expect(authorityIn([['owner', name]], REALM)).toEqual({ everything: false, services: [] })
      for (const service of ['kdc', 'krbtgt', 'orders'])
        expect(mayReadAuditOf(authorityIn([['owner', name]], REALM), local(service))).toBe(false)
    },
  )

  it('is of what it names, for whoever reads the audit', () => {
    const owner = authorityIn([['owner', ['orders', 'stock/*', '@backend']]], REALM)
    const may = (name: string, groups: string[] = []) =>
      mayReadAuditOf(owner, local(name), groups as Pattern[])
    expect(['orders', 'stock/1', 'kdc', 'krbtgt', 'stock', 'web'].map(name => may(name))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    expect([may('web', ['@backend']), may('web', ['@other']), may('kdc', ['@backend'])]).toEqual([
      true,
      false,
      false,
    ])
    expect(mayReadAuditOf(authorityIn([['role', 'admin']], REALM), local('kdc'))).toBe(true)
  })
})
