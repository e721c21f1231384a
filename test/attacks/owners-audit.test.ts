import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { ChannelOpener } from '../../kdc/channel/channel-opener.js'
import { DEFAULT_LIMITS } from '../../kdc/limits/defaults.js'
import { createRateLimits } from '../../kdc/limits/rate-limits.js'
import { ownerView } from '../../kdc/report/audit/owner-view.js'
import { readAudit } from '../../kdc/report/audit/reader.js'
import type { KdcEvent } from '../../kdc/report/events.js'
import {
  type AuditFilter,
  type AuditPlace,
  decodeAuditPage,
  decodeUsesPage,
  encodeAuditQuestion,
  encodeUsesQuestion,
} from '../../shared/administration/audit.js'
import { type AuditLine, decodeAuditLine } from '../../shared/administration/audit-line.js'
import { encodePolicyRule } from '../../shared/administration/rules.js'
import type { Value } from '../../shared/encoding/encoding.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Claims, ClaimValue } from '../../shared/ticket/claims.js'
import { HOUR, SECOND } from '../../shared/time.js'
import { TestFollower } from '../kdc/feed/following.js'
import { type AuditScene, auditScene, granted, type OpenAudit } from '../kdc/report/audit/audit-log.js'
import {
  callerOf,
  type Identity,
  local,
  pattern,
  ruleOf,
  type TestRealm,
  testRealm,
} from '../support/realm.js'

/** What the owner of a service tries to read in the audit log beyond what is about its service. */

const NAMES = ['alice', 'web', 'mallory', 'orders', 'billing', 'orders/1'] as const

interface Scene extends OpenAudit {
  readonly realm: TestRealm
  readonly log: AuditScene
  /** As an administrator. */
  admin(method: string, args: readonly Value[]): Promise<Value[]>
  /** As alice, with a ticket that has these claims. */
  call(method: string, args: readonly Value[], claims?: Claims): Promise<Value[]>
  lines(asked: Partial<AuditFilter>, claims?: Claims): Promise<AuditLine[]>
}

async function scene(owner: ClaimValue = 'orders'): Promise<Scene> {
  const [realm, log] = [await testRealm(), await auditScene()]
  for (const name of NAMES) await realm.add(name)
  await realm.allow('alice', 'kdc', { claims: [['owner', owner]] })
  const { audit, report } = await log.open()
  onTestFinished(() => audit.close())
  const own = ownContext(realm.realm, report, audit)
  const call: Scene['call'] = (method, args, claims = [['owner', owner]]) => {
    const caller = { ...callerOf(local('alice'), realm.clock.now()), claims }
    return callMethod({ ...own, caller }, method, args)
  }
  for (const event of history()) await report.record(event)
  return {
    ...{ realm, log, audit, report, call },
    admin: (method, args) => callMethod(own, method, args),
    lines: async (asked, claims) => {
      const page = decodeAuditPage(await call('audit', question(asked), claims))
      return page.lines.map(decodeAuditLine)
    },
  }
}

const ALL: AuditFilter = { client: null, service: null, outcome: null, since: null }
const question = (asked: Partial<AuditFilter>, place: AuditPlace | null = null, wait = 0) =>
  encodeAuditQuestion({ filter: { ...ALL, ...asked }, place, wait })
const about = (name: string) => ({ service: pattern(name) })
const rule = (client: string, service: string) => ruleOf(client, service)
const ADMIN = { by: [local('admin')], address: '203.0.113.9', ticketId: new Uint8Array(16).fill(3) } as const
const ORIGIN = { exchange: 'TGS', address: '192.0.2.1', tgt: new Uint8Array(16).fill(9) } as const

/** A line of each kind: about orders, about others, and about both. */
function history(): KdcEvent[] {
  const ticket = granted(1) as KdcEvent & { kind: 'ticket_granted' }
  const change = (told: object) => ({ kind: 'record_changed', ...ADMIN, change: told }) as unknown as KdcEvent
  return [
    ticket,
    { ...ticket, service: local('billing'), ticketId: new Uint8Array(16).fill(2) },
    { ...ticket, client: local('orders'), service: local('billing') },
    { ...ticket, service: local('orders/1') },
    { ...ticket, service: local('krbtgt') },
    {
      kind: 'ticket_denied',
      id: '0011223344556677',
      origin: ORIGIN,
      client: local('mallory'),
      service: local('orders'),
      rule: null,
      code: 'policy_denied',
      reason: 'no rule allows it',
    },
    {
      kind: 'request_refused',
      id: null,
      origin: ORIGIN,
      code: 'auth_failed',
      reason: 'a wrong MAC',
      facts: { principal: local('mallory'), service: local('orders') },
    },
    { kind: 'channel_opened', origin: { ...ORIGIN, by: [local('orders')] }, endTime: 5 },
    change({ method: 'allow', rule: rule('web', 'orders') }),
    change({ method: 'allow', rule: rule('web', 'billing') }),
    change({ method: 'allow', rule: rule('orders', 'billing') }),
    change({ method: 'disable', principal: local('orders') }),
    change({ method: 'disable', principal: local('billing') }),
    change({ method: 'group-add', group: '@backend', principals: [local('orders'), local('billing')] }),
    change({ method: 'group-add', group: '@backend', principals: [local('orders')] }),
    change({ method: 'revoke-ticket', ticketId: new Uint8Array(16), principal: local('orders') }),
    { kind: 'records_read', ...ADMIN, method: 'show', on: [local('orders')] },
    { kind: 'records_read', ...ADMIN, method: 'rule', on: [local('web'), local('orders')] },
  ]
}

const refusal = { code: 'not_authorized' }

describe('the owner of a service, in the audit log', () => {
  it('reads who got tickets for it and what was changed about it, and of that no address, TGT or details', async () => {
    const { lines, call } = await scene()
    const seen = await lines(about('orders'))
    const client = local('admin')
    const line = { n: expect.any(Number), at: expect.any(String) }
    expect(seen).toEqual([
      {
        ...line,
        kind: 'ticket',
        outcome: 'granted',
        client: local('web'),
        exchange: 'TGS',
        service: local('orders'),
        rule: `allow ${local('web')} ${local('orders')}`,
        ticket: '01'.repeat(16),
        ends: expect.any(String),
      },
      {
        ...line,
        kind: 'ticket',
        outcome: 'denied',
        client: local('mallory'),
        exchange: 'TGS',
        service: local('orders'),
        code: 'policy_denied',
        id: '0011223344556677',
        reason: 'no rule allows it',
      },
      {
        ...line,
        kind: 'administration',
        outcome: 'changed',
        client,
        method: 'allow',
        on: [local('web'), local('orders')],
      },
      {
        ...line,
        kind: 'administration',
        outcome: 'changed',
        client,
        method: 'disable',
        on: [local('orders')],
      },
    ])
    expect(await lines({ ...about('orders'), outcome: 'denied' })).toHaveLength(1)
    const args = encodeUsesQuestion({ filter: { ...ALL, ...about('orders') }, place: null })
    const { uses } = decodeUsesPage(await call('uses', args))
    expect(
      uses.map(({ client, service, granted, denied, from }) => [client, service, granted, denied, from]),
    ).toEqual([
      [local('web'), local('orders'), 1, 0, ''],
      [local('mallory'), local('orders'), 0, 1, ''],
    ])
  })

  it.each<[string, Partial<AuditFilter>]>([
    ['everything', {}],
    ['what a client does elsewhere', { client: pattern('web') }],
    ['another service', about('billing')],
    ['an instance of its service', about('orders/1')],
    ['all instances of its service', about('orders/*')],
    ['the instances that it owns, by their pattern', about('stock/*')],
    ['every service', { service: '*' as Pattern }],
    ['a group', { service: '@backend' as Pattern }],
    ['logins', about('krbtgt')],
    ['the KDC', about('kdc')],
    ['itself', about('alice')],
    ['a name that nobody has', about('nobody')],
  ])('cannot read about %s', async (_, asked) => {
    const owner = ['orders', 'stock/*']
    const { call, log } = await scene(owner)
    await expect(call('audit', question(asked))).rejects.toMatchObject(refusal)
    const uses = encodeUsesQuestion({ filter: { ...ALL, ...asked }, place: { file: 1, offset: 0 } })
    await expect(call('uses', uses)).rejects.toMatchObject(refusal)
    expect((await log.lines()).filter(({ client }) => client === local('alice'))).toEqual([])
  })

  it('is told what to type if it names no service', async () => {
    const { call } = await scene()
    const hint = expect.stringContaining('orthrus admin audit --service NAME')
    await expect(call('audit', question({}))).rejects.toMatchObject({ ...refusal, facts: { hint } })
  })

  it('gets no line of another service by a place in the middle of one', async () => {
    const { log } = await scene()
    const scope = { filter: { ...ALL, ...about('orders') }, view: ownerView(local('orders')) }
    const whole = await readAudit(log.directory, scope, null)
    expect(whole.lines).toHaveLength(4)
    for (let offset = 0; offset < whole.next.offset; offset += 97) {
      const { lines } = await readAudit(log.directory, scope, { file: 1, offset })
      expect(whole.lines).toEqual(expect.arrayContaining([...lines]))
    }
  })

  it('reads nothing by a ticket whose claim the rules no longer give, nor by rules whose claim the ticket lacks', async () => {
    const { realm, lines } = await scene()
    await expect(lines(about('orders'), [])).rejects.toMatchObject(refusal)
    await expect(lines(about('orders'), [['owner', 'billing']])).rejects.toMatchObject(refusal)
    expect(await lines(about('orders'))).not.toEqual([])
    await realm.call('forget', [local('alice'), local('kdc')])
    await expect(lines(about('orders'))).rejects.toMatchObject(refusal)
  })

  it('that is taken away while a call waits for another line does not get that line', async () => {
    const { realm, call, report, audit } = await scene()
    const { next } = decodeAuditPage(await call('audit', question(about('orders'))))
    // The line of this reading itself.
    const { next: end } = decodeAuditPage(await call('audit', question(about('orders'), next)))
    let meanwhile = async () => {}
    vi.spyOn(audit, 'written').mockImplementation(async () => {
      await meanwhile()
      await report.record(granted(5))
      await audit.mark()
    })
    const follow = () => call('audit', question(about('orders'), end, 20 * SECOND))
    expect(decodeAuditPage(await follow()).lines).toHaveLength(1)
    meanwhile = async () => void (await realm.call('forget', [local('alice'), local('kdc')]))
    const { next: later } = decodeAuditPage(await call('audit', question(about('orders'), end)))
    await expect(call('audit', question(about('orders'), later, 20 * SECOND))).rejects.toMatchObject(refusal)
  })

  it('of a group reads about its members of the moment, and as a member of a group about what that owns', async () => {
    const { realm, lines } = await scene('@backend')
    await expect(lines(about('orders'))).rejects.toMatchObject(refusal)
    await realm.call('group-add', ['@backend', [local('orders')]])
    expect(await lines(about('orders'))).not.toEqual([])
    await expect(lines(about('billing'))).rejects.toMatchObject(refusal)
    await realm.call('group-remove', ['@backend', [local('orders')]])
    await expect(lines(about('orders'))).rejects.toMatchObject(refusal)

    const team = { ...ruleOf('x', 'kdc', { claims: [['owner', 'orders']] }), client: '@team' as Pattern }
    await realm.call('forget', [local('alice'), local('kdc')])
    await realm.call('allow', encodePolicyRule(team))
    const claims: Claims = [['owner', 'orders']]
    await expect(lines(about('orders'), claims)).rejects.toMatchObject(refusal)
    await realm.call('group-add', ['@team', [local('alice')]])
    expect(await lines(about('orders'), claims)).not.toEqual([])
  })

  it('of instances reads about each of them, and not about the name; and everybody is of nobody', async () => {
    const { lines } = await scene('orders/*')
    expect((await lines(about('orders/1'))).map(({ service }) => service)).toEqual([local('orders/1')])
    await expect(lines(about('orders'))).rejects.toMatchObject(refusal)
    await expect(lines(about('orders/1'), [['owner', '*']])).rejects.toMatchObject(refusal)
  })

  it('leaves a line for each service that it reads about', async () => {
    const { log, lines, audit } = await scene(['orders', 'billing'])
    await lines(about('orders'))
    await lines(about('billing'))
    await audit.mark()
    const reads = (await log.lines()).filter(({ client }) => client === local('alice'))
    expect(reads.map(({ method, on }) => [method, on])).toEqual([
      ['audit', [local('orders')]],
      ['audit', [local('billing')]],
    ])
  })
})

describe('an owner who would push the traces of others out of the audit log', () => {
  const POINTS = 6

  async function flooded() {
    const log = await auditScene()
    const { audit, report } = await log.open()
    onTestFinished(() => audit.close())
    const limits = { ...DEFAULT_LIMITS, actsPerOwner: { points: POINTS, interval: HOUR } }
    const rates = createRateLimits(limits, () => log.clock.monotonic())
    const realm = await testRealm({ rates })
    const opener = new ChannelOpener({ ...realm.context, report, audit })
    const who = async (name: string, claims: Claims) => {
      const identity = await realm.add(name)
      await realm.allow(name, 'kdc', { claims })
      return identity
    }
    await realm.add('orders')
    const owners = {
      alice: await who('alice', [['owner', 'orders']]),
      bob: await who('bob', [['owner', 'orders']]),
    }
    const root = await who('root', [['role', 'admin']])
    const linesOf = async (name: string) => {
      await audit.mark()
      const lines = await log.lines()
      return lines.filter(({ kind, client }) => kind === 'administration' && client === local(name))
    }
    return {
      realm,
      log,
      linesOf,
      open: (one: Identity) => TestFollower.open({ ...realm, opener }, one),
      ...owners,
      root,
    }
  }

  const outcomeOf = (channel: TestFollower, method: string, args: readonly Value[]): Promise<string> =>
    channel.call(method, ...args).then(
      () => 'done',
      (cause: { code: string }) => cause.code,
    )
  const allowing = (name: string) => encodePolicyRule(rule(name, 'orders'))

  it.each<[string, (i: number) => readonly [string, readonly Value[]], number]>([
    ['by changes', i => ['allow', allowing(`w${i}`)], 2],
    ['by reading rules', i => ['rule', [local(`w${i}`), local('orders')]], 1],
    ['by reading lists', () => ['policy', [null, 1]], 1],
    ['by reading the log over one channel after another', () => ['audit', question(about('orders'))], 1],
  ])('%s, is refused what is beyond its share', async (_, callOf, linesEach) => {
    const { realm, log, linesOf, open, alice, bob, root } = await flooded()
    const outcomes: string[] = []
    for (let i = 0; i < 2 * POINTS; i++) outcomes.push(await outcomeOf(await open(alice), ...callOf(i)))
    const within = outcomes.slice(0, POINTS)
    expect(within).toEqual(Array.from({ length: POINTS }, () => 'done'))
    expect(outcomes.slice(POINTS)).toEqual(Array.from({ length: POINTS }, () => 'rate_limited'))
    expect(await linesOf('alice')).toHaveLength(linesEach * POINTS)
    // What was refused was not done either.
    expect(await realm.call('rule', [local(`w${POINTS}`), local('orders')])).toEqual([null])

    expect(await outcomeOf(await open(bob), ...callOf(100))).toBe('done')
    const administrator = await open(root)
    for (let i = 0; i < 2 * POINTS; i++)
      expect(await outcomeOf(administrator, 'allow', allowing(`r${i}`))).toBe('done')
    expect(await linesOf('root')).toHaveLength(4 * POINTS)
    // Its own key is another matter.
    expect(await outcomeOf(await open(alice), 'next-key', [1])).toBe('done')
    log.clock.pass(HOUR)
    expect(await outcomeOf(await open(alice), ...callOf(200))).toBe('done')
  })
})
