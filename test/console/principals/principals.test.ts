import { describe, expect, it } from 'vitest'
import {
  disabling,
  moving,
  reachOf,
  removing,
  replacing,
  revokingKey,
  type Standing,
} from '../../../console/principals/consequences.js'
import { EVERYTHING, filtered, kindOf, stateOf } from '../../../console/principals/filter.js'
import { loginsIn } from '../../../console/principals/logins.js'
import type { AuditLine } from '../../../shared/administration/audit-line.js'
import type { FollowerRow } from '../../../shared/administration/revocations.js'
import { parseGroup } from '../../../shared/pattern.js'
import { HOUR } from '../../../shared/time.js'
import { local, ruleOf } from '../../support/realm.js'
import { summaryOf } from '../summary.js'

const BACKEND = parseGroup('backend')
const NOW = 1_000_000

describe('the filter of principals', () => {
  const all = [
    summaryOf('kdc'),
    summaryOf('ann', { passwordBased: true, expiresAt: NOW }),
    summaryOf('web/1', { disabled: true }),
    summaryOf('orders', { groups: [BACKEND] }),
    summaryOf('fresh', { kvnos: [], keyCreatedAt: null }),
  ]
  const due = new Map([
    [local('orders'), { principal: local('orders'), kvno: 1, createdAt: 0, due: 1, askedAt: null }],
  ])
  const names = (change: Partial<typeof EVERYTHING>) =>
    filtered(all, due, { ...EVERYTHING, ...change }, NOW).map(({ principal }) => principal.split('@')[0])

  it('finds by a part of the name, by the group, by what is due, by kind and by state', () => {
    expect(names({})).toHaveLength(5)
    expect(names({ text: ' ORD' })).toEqual(['orders'])
    expect(names({ text: 'example' })).toEqual([])
    expect(names({ text: 'ann@demo' })).toEqual(['ann'])
    expect(names({ text: '@back' })).toEqual(['orders'])
    expect(names({ due: true })).toEqual(['orders'])
    expect(names({ kind: 'password' })).toEqual(['ann'])
    expect(names({ kind: 'no key', state: 'enabled' })).toEqual(['fresh'])
    expect(names({ state: 'disabled' })).toEqual(['web/1'])
    expect(names({ state: 'expired' })).toEqual(['ann'])
  })

  it('puts those with the oldest key first, and those without one last, if it is told to', () => {
    const aged = [
      summaryOf('none', { kvnos: [], keyCreatedAt: null }),
      summaryOf('young', { keyCreatedAt: 3 }),
      summaryOf('old', { keyCreatedAt: 1 }),
      summaryOf('middle', { keyCreatedAt: 2 }),
    ]
    const order = { ...EVERYTHING, order: 'oldest key' } as const
    expect(filtered(aged, due, order, NOW).map(each => each.principal)).toEqual(
      ['old', 'middle', 'young', 'none'].map(local),
    )
    expect(aged[0]?.principal).toBe(local('none'))
  })

  it('goes through ten thousand in the time of a key press', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => summaryOf(`web/${i}`))
    const start = process.cpuUsage().user
    expect(filtered(many, due, { ...EVERYTHING, text: '999' }, NOW)).toHaveLength(19)
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(100)
    expect([kindOf(summaryOf('krbtgt')), stateOf(summaryOf('web'), NOW)]).toEqual(['KDC', 'enabled'])
  })
})

describe('what an act costs', () => {
  const row = (name: string, rest: Partial<FollowerRow> = {}): FollowerRow => ({
    principal: local(name),
    address: '10.0.0.1',
    seen: 1,
    sent: 1,
    connected: true,
    silentFor: 0,
    ...rest,
  })
  const standing = (rest: Partial<Standing> = {}): Standing => ({
    summary: summaryOf('web'),
    isMe: false,
    asClient: 3,
    asService: 1,
    byName: 3,
    reach: { following: 12, maxServiceLife: HOUR },
    ...rest,
  })

  it('counts who follows now, and neither who left nor the principal itself', () => {
    const rows = [row('orders'), row('orders'), row('web'), row('stock', { connected: false })]
    expect(reachOf({ rows, applied: 4, silent: 0, keptFor: 0 }, HOUR, local('web')).following).toBe(2)
    expect(reachOf({ rows, applied: 1_004, silent: 0, keptFor: 0 }, HOUR, local('web')).following).toBe(1_002)
  })

  it('says how many services refuse it when, and which rules stay', () => {
    expect(disabling(standing())).toEqual([
      'From its next request on web gets no ticket, and nobody gets one for it.',
      '12 processes of services that follow this KDC will refuse its tickets within milliseconds, and end its open channels. One that does not follow accepts a ticket in hand to its end, at most 1h.',
      'The 3 rules that name it stay. To let it log in again, enable it; its TGTs of before stay revoked.',
    ])
  })

  it('says that nobody follows, and that the person is the one', () => {
    const told = disabling(standing({ isMe: true, reach: { following: 0, maxServiceLife: HOUR } }))
    expect(told).toContain(
      'No other service follows this KDC, so services accept its tickets in hand until these end, at most 1h from now.',
    )
    expect(told.at(-1)).toBe('This is you: your session on this page ends too.')
  })

  it('says what a key, a removal and a group mean', () => {
    expect(replacing(standing()).join(' ')).toContain('Until the new keytab is on its host, web is refused.')
    expect(revokingKey(standing({ summary: summaryOf('krbtgt') }))).toHaveLength(1)
    expect(revokingKey(standing()).join(' ')).toContain('stop it, and start it with the new key')
    expect(removing(standing({ summary: summaryOf('web', { groups: [BACKEND] }) })).join(' ')).toContain(
      'It leaves 1 group: @backend.',
    )
    const rules = [ruleOf(BACKEND, 'billing'), ruleOf('web', BACKEND), ruleOf('web', 'orders')]
    expect(moving(BACKEND, false, rules)).toEqual([
      '1 rule say what @backend may reach, and 1 rule who may reach it; from its next ticket on they are about it no more.',
      'Tickets in hand live to their end. To end them now, revoke them too.',
    ])
  })
})

describe('the TGTs of a client', () => {
  const line = (n: number, rest: Partial<AuditLine>): AuditLine => ({
    n,
    at: new Date(NOW + n).toISOString(),
    kind: 'ticket',
    outcome: 'granted',
    from: '10.0.0.1',
    ...rest,
  })

  it('are those that have not ended, with what was granted under each', () => {
    const ends = (time: number) => new Date(time).toISOString()
    const logins = loginsIn(
      [
        line(1, { service: 'krbtgt@demo.example', ticket: 'aa', ends: ends(NOW + HOUR) }),
        line(2, { service: 'krbtgt@demo.example', ticket: 'bb', ends: ends(NOW) }),
        line(3, { service: 'orders@demo.example', ticket: 'cc', tgt: 'aa' }),
        line(4, { service: 'orders@demo.example', ticket: 'dd', tgt: 'unknown' }),
        line(5, { outcome: 'denied', service: 'krbtgt@demo.example', ticket: 'ee' }),
      ],
      NOW + 10,
      null,
    )
    expect(logins).toEqual([{ ticket: 'aa', at: NOW + 1, ends: NOW + HOUR, from: '10.0.0.1', granted: 1 }])
  })

  it('are none from before a revocation or a new password, which the KDC refuses', () => {
    const tgt = (n: number, ticket: string) => line(n, { service: 'krbtgt@demo.example', ticket })
    const logins = loginsIn([tgt(1, 'aa'), tgt(2, 'bb'), tgt(3, 'cc')], NOW + 10, NOW + 2)
    expect(logins.map(({ ticket }) => ticket)).toEqual(['cc', 'bb'])
  })
})
