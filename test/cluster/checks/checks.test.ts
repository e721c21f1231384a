import { describe, expect, it } from 'vitest'
import type { Ask, Call, Deed, Down, Granted, Happening, Restored, Wanted } from '../history.js'
import { type Bounds, check } from './check.js'

/** The checker finds each fault in a history that was made by hand, and nothing where all is well. */

const BOUNDS: Bounds = { staleness: 10_000, newTicket: 4_000, recovery: 5_000 }

function faults(...history: readonly Happening[]): string[] {
  return check(history, BOUNDS).map(({ rule }) => rule)
}

function deed(began: number, ended: number, on: string, is: string, more: Partial<Deed> = {}): Deed {
  return {
    kind: 'deed',
    kdc: 'kdc-1',
    what: `${on} ${is}`,
    sets: [{ on, is }],
    outcome: 'done',
    began,
    ended,
    ...more,
  }
}

const TICKET: Granted = { service: 'orders', kvno: 1, ticketId: 't1', key: 'k1' }

function ask(began: number, ended: number, more: Partial<Ask> = {}): Ask {
  const common = {
    kind: 'ask',
    kdc: 'kdc-2',
    exchange: 'TGS',
    client: 'web',
    outcome: 'reply',
    denied: [],
  } as const
  return { ...common, granted: [TICKET], isSound: true, began, ended, ...more }
}

function call(began: number, outcome = 'accepted', more: Partial<Call> = {}): Call {
  const common = { kind: 'call', service: 'orders', client: 'web', ticketId: 't1', kvno: 1 } as const
  return { ...common, isHonest: false, outcome, began, ended: began + 1, ...more }
}

const sealed = (at: number, ticketId = 't1') => ({ kind: 'seal', kdc: 'kdc-2', at, ticketId }) as const
const born = (key: string, mayServe: number | undefined = 0, kvno = 1) =>
  ({ kind: 'born', principal: 'orders', kvno, key, mayServe }) as const
const down = (what: Down['what'], name: string, began: number, ended: number): Down => ({
  kind: 'down',
  what,
  name,
  fault: 'killed',
  began,
  ended,
})

const DISABLE = deed(100, 200, 'principal web', 'disabled', { endsTicketsOf: 'web' })

describe('the checker', () => {
  it('finds nothing where all is well', () => {
    const history = [
      born('k1'),
      deed(0, 10, 'principal web', 'enabled'),
      deed(0, 10, 'rule web orders', 'allow'),
      ask(50, 60),
      sealed(55),
      call(70),
      DISABLE,
      call(10_100),
      call(10_300, 'revoked'),
      {
        kind: 'reading',
        kdc: 'kdc-3',
        began: 300,
        ended: 310,
        found: [{ on: 'principal web', is: 'disabled' }],
      },
    ] as const
    expect(check(history, BOUNDS)).toEqual([])
  })

  it('finds a change that was acknowledged and is gone', () => {
    const found = [{ on: 'principal web', is: 'enabled' }]
    const reading = { kind: 'reading', kdc: 'kdc-3', began: 300, ended: 310, found } as const
    expect(faults(DISABLE, reading)).toEqual(['lost change'])
    expect(faults(DISABLE, { ...reading, began: 150 })).toEqual([])
    expect(faults({ ...DISABLE, outcome: 'unknown', ended: Number.POSITIVE_INFINITY }, reading)).toEqual([])
    expect(faults({ ...DISABLE, outcome: 'refused' }, reading)).toEqual([])
  })

  it('says nothing of a register while two deeds overlap, or one was never answered', () => {
    const found = [{ on: 'principal web', is: 'enabled' }]
    const reading = { kind: 'reading', kdc: 'kdc-3', began: 500, ended: 510, found } as const
    expect(faults(DISABLE, deed(150, 250, 'principal web', 'enabled'), reading)).toEqual([])
    const lost = { outcome: 'unknown', ended: Number.POSITIVE_INFINITY } as const
    expect(faults(deed(50, 60, 'principal web', 'enabled', lost), DISABLE, reading)).toEqual([])
    expect(faults(deed(50, 60, 'principal web', 'enabled'), DISABLE, reading)).toEqual(['lost change'])
  })

  it('takes two concurrent members of groups for two changes', () => {
    const group = (name: string) => deed(100, 200, `group web ${name}`, 'in')
    const found = [
      { on: 'group web @a', is: 'in' },
      { on: 'group web @b', is: 'out' },
    ]
    const reading = { kind: 'reading', kdc: 'kdc-3', began: 300, ended: 310, found } as const
    expect(faults(group('@a'), group('@b'), reading)).toEqual(['lost change'])
  })

  it('finds two entries of the log under one number', () => {
    const one = { ...DISABLE, seq: 7 }
    expect(faults(one, deed(100, 220, 'principal app', 'disabled', { seq: 7 }))).toEqual([
      'log of revocations',
    ])
    expect(faults(one, deed(100, 220, 'principal app', 'disabled', { seq: 8 }))).toEqual([])
  })

  it('finds a ticket that was sealed after its client was disabled, whenever it was asked for', () => {
    expect(faults(born('k1'), DISABLE, ask(150, 300), sealed(210))).toEqual(['late grant'])
    expect(faults(born('k1'), DISABLE, ask(150, 300), sealed(190))).toEqual([])
    expect(faults(DISABLE, ask(250, 300))).toEqual(['unheard seal', 'late grant', 'key'])
  })

  it('finds a ticket for a disabled service, and one that a rule forbids', () => {
    const serviceOff = deed(100, 200, 'principal orders', 'removed')
    const denied = deed(100, 200, 'rule web orders', 'deny')
    const forgotten = deed(100, 200, 'rule web orders', 'none')
    for (const taken of [serviceOff, denied, forgotten])
      expect(faults(born('k1'), taken, ask(250, 300), sealed(260))).toEqual(['late grant'])
    const ungrouped = deed(100, 200, 'access web orders', 'taken')
    expect(faults(born('k1'), ungrouped, ask(250, 300), sealed(260))).toEqual(['late grant'])
    const again = deed(240, 280, 'rule web orders', 'allow')
    expect(faults(born('k1'), denied, again, ask(250, 300), sealed(260))).toEqual([])
  })

  it('finds a kvno of two keys', () => {
    expect(faults(born('k1'), born('k2'))).toEqual(['key'])
    expect(faults(born('k1'), born('k1'), born('k2', 0, 2))).toEqual([])
  })

  it('finds a ticket under a key that nobody has, or that its holder has not shown', () => {
    expect(faults(ask(250, 300), sealed(260))).toEqual(['key'])
    expect(faults(born('k2'), ask(250, 300), sealed(260))).toEqual(['key'])
    expect(faults(born('k1', 270), ask(250, 300), sealed(260))).toEqual(['key'])
    const staged = { ...born('k1'), mayServe: undefined }
    expect(faults(staged, ask(250, 300), sealed(260))).toEqual(['key'])
  })

  it('finds a ticket under a key that was replaced', () => {
    const endsKeysOf = { service: 'orders', kvno: 2 }
    const replaced = deed(100, 200, 'key orders', '2', { endsKeysOf })
    expect(faults(born('k1'), replaced, ask(250, 300), sealed(260))).toEqual(['key'])
    expect(faults(born('k1'), replaced, ask(150, 300), sealed(190))).toEqual([])
  })

  it('finds that a KDC refuses what another one sealed', () => {
    expect(faults(ask(0, 10, { granted: [], outcome: 'ticket_invalid' }))).toEqual(['refused ticket'])
    expect(faults(ask(0, 10, { granted: [], outcome: 'ticket_invalid', isSound: false }))).toEqual([])
    expect(faults(ask(0, 10, { granted: [], outcome: 'unavailable' }))).toEqual([])
  })

  it('finds a KDC that denies what was given over a second ago', () => {
    const given = [
      deed(0, 10, 'principal web', 'enabled'),
      deed(0, 10, 'principal orders', 'enabled'),
      deed(0, 100, 'rule web orders', 'allow'),
    ] as const
    const denied = (began: number) =>
      ask(began, began + 10, { granted: [], denied: [{ on: 'orders', is: 'policy_denied' }] })
    expect(faults(...given, denied(1_200))).toEqual(['late denial'])
    expect(faults(...given, denied(1_100))).toEqual([])
    expect(faults(...given, deed(1_180, 1_300, 'rule web orders', 'deny'), denied(1_200))).toEqual([])
    expect(faults(...given.slice(0, 2), denied(1_200))).toEqual([])
    const disabled = (began: number) =>
      ask(began, began + 10, { granted: [], outcome: 'principal_disabled', isSound: false })
    expect(faults(...given, disabled(1_200))).toEqual(['late denial'])
    expect(faults(...given, DISABLE, disabled(1_300))).toEqual([])
  })

  it('finds a KDC that goes on with an etcd that has gone back', () => {
    const restored: Restored = {
      kind: 'restored',
      saved: 1_000,
      began: 2_000,
      ended: 3_000,
      startedAgain: new Map([['kdc-2', 9_000]]),
      noticed: ['kdc-2'],
    }
    expect(faults(born('k1'), restored, ask(4_000, 4_010), sealed(4_005))).toEqual(['store gone back'])
    expect(faults(born('k1'), restored, ask(2_900, 2_910), sealed(2_905))).toEqual([])
    expect(faults(born('k1'), restored, ask(9_100, 9_110), sealed(9_105))).toEqual([])
    expect(faults({ ...restored, noticed: [] })).toEqual(['store gone back'])
  })

  it('takes what was changed after a snapshot for lost once that is restored, and nothing else', () => {
    const restored: Restored = {
      kind: 'restored',
      saved: 1_000,
      began: 2_000,
      ended: 3_000,
      startedAgain: new Map([['kdc-2', 3_000]]),
      noticed: ['kdc-2'],
    }
    const late = [ask(4_000, 4_010), sealed(4_005)] as const
    const after = deed(1_100, 1_200, 'principal web', 'disabled', { seq: 7 })
    expect(faults(born('k1'), after, restored, ...late)).toEqual([])
    expect(faults(born('k1'), after, restored, ask(1_300, 1_310), sealed(1_305))).toEqual(['late grant'])
    expect(faults(born('k1'), DISABLE, restored, ...late)).toEqual(['late grant'])
    expect(faults(after, restored, deed(4_000, 4_010, 'principal app', 'disabled', { seq: 7 }))).toEqual([])
  })

  it('finds a service that accepts beyond its bound what was revoked', () => {
    const history = [born('k1'), ask(50, 60), sealed(55)]
    expect(faults(...history, DISABLE, call(10_201))).toEqual(['late refusal'])
    expect(faults(...history, DISABLE, call(10_199))).toEqual([])
    expect(
      faults(...history, deed(100, 200, 'ticket t1', 'revoked', { endsTicket: 't1' }), call(10_201)),
    ).toEqual(['late refusal'])
    const endsKeysOf = { service: 'orders', kvno: 2 }
    expect(faults(...history, deed(100, 200, 'key orders', '2', { endsKeysOf }), call(10_201))).toEqual([
      'late refusal',
    ])
    expect(faults(born('k1'), ask(50, 60), sealed(150), DISABLE, call(10_201))).toEqual([])
  })

  it('finds two hosts of one invitation', () => {
    const joined = (host: string) =>
      ({ kind: 'joined', at: 0, invitation: 'invite-1', uses: 1, host }) as const
    expect(faults(joined('a'), joined('b'))).toEqual(['invitation'])
    expect(faults(joined('a'), joined('a'))).toEqual([])
  })

  it('finds a failed call while only one member and one KDC are away', () => {
    const failed = call(1_000, 'unavailable', { isHonest: true })
    const one = [down('member', 'a', 0, 5_000), down('kdc', 'kdc-1', 0, 5_000)]
    expect(faults(...one, failed)).toEqual(['failed call'])
    expect(faults(...one, down('kdc', 'kdc-2', 500, 600), failed)).toEqual([])
    expect(faults(...one, down('kdc', 'kdc-2', 500, 600), { ...failed, began: 6_000, ended: 6_001 })).toEqual(
      ['failed call'],
    )
  })

  it('finds a ticket that takes too long, but for the time that the machine did not give', () => {
    const wanted = (ended: number, outcome: Wanted['outcome'] = 'granted'): Wanted => ({
      kind: 'wanted',
      client: 'web',
      service: 'orders',
      tries: 3,
      began: 0,
      ended,
      outcome,
    })
    expect(faults(wanted(4_000))).toEqual([])
    expect(faults(wanted(4_100))).toEqual(['slow ticket'])
    expect(faults(wanted(4_100), { kind: 'stall', began: 50, ended: 250 })).toEqual([])
    expect(faults(wanted(100, 'given up'))).toEqual(['slow ticket'])
    const stoppedKdc = { kind: 'stall', of: 'kdc-1', began: 50, ended: 3_000 } as const
    expect(faults(wanted(4_100), stoppedKdc)).toEqual([])
    expect(faults(wanted(4_100), stoppedKdc, down('kdc', 'kdc-1', 40, 3_000))).toEqual(['slow ticket'])
  })
})
