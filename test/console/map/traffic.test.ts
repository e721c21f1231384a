import { describe, expect, it } from 'vitest'
import { type Ask, askOf, omittedIn, refusalOf } from '../../../console/map/asks.js'
import { FirstSeens, NEW_FOR } from '../../../console/map/first-seen.js'
import { rateOf, rateText, strengthOf, widthOf } from '../../../console/map/rates.js'
import { DENIED_PAIRS_MAX, PAIRS_MAX, Traffic } from '../../../console/map/traffic.js'
import type { Use } from '../../../shared/administration/audit.js'
import { decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { HOUR, MINUTE } from '../../../shared/time.js'

const START = Date.parse('2026-01-01T00:00:00Z')

function ask(client: string, service: string, at: number, denied?: string): Ask {
  const facts = { client, service, at: START + at, from: '10.0.0.7' }
  if (denied === undefined) return { ...facts, granted: true }
  const denial = { at: START + at, code: 'policy_denied', reason: denied, id: 'aa' }
  return { ...facts, granted: false, denial }
}

function use(client: string, service: string, granted: number, at: number, denied = 0): Use {
  return { client, service, granted, denied, at: START + at, from: '10.0.0.9' }
}

function line(fields: object) {
  return decodeAuditLine(JSON.stringify({ n: 1, at: '2026-01-01T00:00:00.000Z', ...fields }))
}

describe('the lines of the audit log', () => {
  it('tell who asked for a ticket, and why it was denied', () => {
    const [client, service, from] = ['web@r', 'orders@r', '10.0.0.7']
    expect(askOf(line({ kind: 'ticket', outcome: 'granted', client, service, from }))).toEqual(
      ask(client, service, 0),
    )
    const denied = { kind: 'ticket', outcome: 'denied', code: 'policy_denied', reason: 'no rule', id: 'aa' }
    expect(askOf(line({ ...denied, client, service, from }))).toEqual(ask(client, service, 0, 'no rule'))
  })

  it('are no edge where it was a login, a request as a whole, or an act', () => {
    const client = 'web@r'
    expect(askOf(line({ kind: 'ticket', outcome: 'granted', client, service: 'krbtgt@r' }))).toBeUndefined()
    expect(askOf(line({ kind: 'administration', outcome: 'changed', client }))).toBeUndefined()
    const refused = line({ kind: 'request', outcome: 'refused', code: 'auth_failed', from: '10.0.0.7' })
    expect(askOf(refused)).toBeUndefined()
    expect(refusalOf(refused)).toEqual({
      n: 1,
      at: START,
      client: undefined,
      code: 'auth_failed',
      reason: '',
      id: undefined,
      from: '10.0.0.7',
    })
  })

  it('say how many of them were left out', () => {
    expect(omittedIn(line({ kind: 'log', outcome: 'noted', count: 7 }))).toBe(7)
    expect(omittedIn(line({ kind: 'log', outcome: 'noted' }))).toBe(0)
  })
})

describe('traffic', () => {
  it('counts a pair within the window, and forgets it behind it', () => {
    const traffic = new Traffic(HOUR)
    traffic.setPast([], START)
    for (let minute = 0; minute < 60; minute++) traffic.add(ask('web', 'orders', minute * MINUTE))
    const [edge] = traffic.at(START + 59 * MINUTE)
    expect(edge).toMatchObject({ client: 'web', service: 'orders', granted: 60, denied: 0 })
    expect(rateOf(edge ?? { granted: 0, denied: 0 }, HOUR)).toBe(1)
    expect(traffic.at(START + 90 * MINUTE)[0]?.granted).toBeCloseTo(29, -1)
    expect(traffic.at(START + 120 * MINUTE)).toEqual([])
  })

  it('counts what the past and a line both tell once, whichever came first', () => {
    const both = [ask('web', 'orders', -10), ask('web', 'orders', -5), ask('web', 'orders', 5)]
    const uses = [use('web', 'orders', 12, -5)]
    const before = new Traffic(HOUR)
    before.setPast(uses, START)
    for (const each of both) before.add(each)
    const after = new Traffic(HOUR)
    for (const each of both) after.add(each)
    after.setPast(uses, START)
    for (const traffic of [before, after]) expect(traffic.at(START)[0]).toMatchObject({ granted: 13 })
  })

  it('lets the past fade evenly, as nobody knows when in the window it was', () => {
    const traffic = new Traffic(HOUR)
    traffic.setPast([use('web', 'orders', 60, -1)], START)
    expect(traffic.at(START)[0]?.granted).toBe(60)
    expect(traffic.at(START + 30 * MINUTE)[0]?.granted).toBe(30)
    expect(traffic.at(START + 61 * MINUTE)).toEqual([])
  })

  it('keeps the last reason of a denial', () => {
    const traffic = new Traffic(HOUR)
    traffic.setPast([use('web', 'orders', 0, -1, 3)], START)
    traffic.add(ask('web', 'orders', 1, 'first'))
    traffic.add(ask('web', 'orders', 2, 'no rule allows it'))
    traffic.add(ask('web', 'orders', 3))
    expect(traffic.at(START + 3)[0]).toMatchObject({
      denied: expect.closeTo(5, 3),
      denial: { reason: 'no rule allows it' },
    })
  })

  it('keeps no more pairs than it says, and counts the others', () => {
    const traffic = new Traffic(HOUR)
    traffic.setPast([], START)
    for (let i = 0; i < PAIRS_MAX + 10; i++) traffic.add(ask(`c${i % 1000}`, `s${i}`, i))
    expect(traffic.at(START + PAIRS_MAX)).toHaveLength(PAIRS_MAX)
    expect(traffic.unkept).toBe(10)
  })

  it('leaves no room of others to a client that asks for ever new names', () => {
    const traffic = new Traffic(HOUR)
    traffic.setPast([], START)
    for (let i = 0; i < 1_000; i++) traffic.add(ask('evil', `s${i}`, i, 'no such service'))
    traffic.add(ask('evil', 'orders', 1_000))
    expect(traffic.at(START + 1_000)).toHaveLength(DENIED_PAIRS_MAX + 1)
    expect(traffic.unkept).toBe(1_000 - DENIED_PAIRS_MAX)
    // What the window has left behind makes room again.
    expect(traffic.at(START + 2 * HOUR)).toEqual([])
    traffic.add(ask('evil', 's', 2 * HOUR, 'no such service'))
    expect(traffic.at(START + 2 * HOUR)).toHaveLength(1)
  })

  it('takes 500 lines a second for an hour of 10,000 principals in little time', () => {
    const traffic = new Traffic(HOUR)
    traffic.setPast([], START)
    const lines = Array.from({ length: 100_000 }, (_, i) => ask(`c${i % 9973}`, `s${i % 25}`, i * 2))
    const begin = process.cpuUsage()
    for (const each of lines) traffic.add(each)
    const { user } = process.cpuUsage(begin)
    // 200 seconds of such a log; a busy machine may take ten times what it takes alone.
    expect(user / 1000).toBeLessThan(2_000)
  })

  it('shows rates of any size', () => {
    expect([0, 0.004, 0.05, 0.24, 3.14, 250.4].map(rateText)).toEqual([
      '0',
      '<0.01',
      '0.05',
      '0.2',
      '3.1',
      '250',
    ])
    expect(widthOf(0)).toBe(1)
    expect(widthOf(1)).toBeLessThan(widthOf(100))
    expect(widthOf(1e9)).toBe(9)
    expect(strengthOf(0)).toBeGreaterThan(strengthOf(HOUR))
  })
})

describe('first seen', () => {
  const known = (uses: Use[], recent: Use[], since: number | null = null) => ({
    since,
    uses,
    begins: START - 30 * 24 * HOUR,
    recent: { since: START - HOUR, uses: recent },
  })

  it('calls nothing new before the log was read', () => {
    const firsts = new FirstSeens()
    firsts.see(ask('web', 'orders', 0))
    expect(firsts.newness(ask('web', 'orders', 0), START)).toBeUndefined()
    firsts.learn(known([], []))
    expect(firsts.newness(ask('web', 'orders', 0), START)).toEqual({ at: START })
  })

  it('knows what is in the log from before, whatever comes', () => {
    const firsts = new FirstSeens()
    const uses = [use('web', 'orders', 40, -5)]
    firsts.see(ask('web', 'orders', -5))
    firsts.learn(known(uses, [use('web', 'orders', 30, -5)]))
    firsts.see(ask('web', 'orders', 1))
    expect(firsts.newness(ask('web', 'orders', 1), START + 1)).toBeUndefined()
  })

  it('knows a pair of which all is in the last hour as new', () => {
    const firsts = new FirstSeens()
    const uses = [use('a', 's', 3, -5), use('b', 's', 1, -5)]
    firsts.learn(known(uses, uses))
    expect(firsts.newness({ client: 'a', service: 's' }, START)).toEqual({ after: START - HOUR })
    expect(firsts.newness({ client: 'b', service: 's' }, START)).toEqual({ at: START - 5 })
  })

  it('calls nothing new of a log that is younger than an hour, but for what the page saw itself', () => {
    const firsts = new FirstSeens()
    firsts.see(ask('web', 'orders', 1))
    const uses = [use('a', 's', 3, -5), use('web', 'orders', 1, 1)]
    firsts.learn({ ...known(uses, uses), begins: START - MINUTE })
    firsts.see(ask('b', 's', 2))
    const isNew = (client: string, service: string) =>
      firsts.newness({ client, service }, START + 2) !== undefined
    expect([isNew('a', 's'), isNew('web', 'orders'), isNew('b', 's')]).toEqual([false, true, true])
  })

  it('knows a pair that came while the log was read, and is in it', () => {
    const firsts = new FirstSeens()
    firsts.see(ask('web', 'orders', -5))
    firsts.see(ask('web', 'orders', -4))
    const uses = [use('web', 'orders', 2, -4)]
    firsts.learn(known(uses, uses))
    expect(firsts.newness(ask('web', 'orders', 0), START)).toEqual({ at: START - 5 })
  })

  it('takes back what more of the log shows to be old', () => {
    const firsts = new FirstSeens()
    firsts.learn(known([], [], START - 24 * HOUR))
    firsts.see(ask('web', 'orders', 1))
    expect(firsts.newness(ask('web', 'orders', 1), START + 1)).toEqual({ at: START + 1 })
    firsts.learn(known([use('web', 'orders', 9, 1)], [use('web', 'orders', 1, 1)]))
    expect(firsts.newness(ask('web', 'orders', 1), START + 1)).toBeUndefined()
    expect(firsts.since).toBeNull()
  })

  it('marks a pair for an hour', () => {
    const firsts = new FirstSeens()
    firsts.learn(known([], []))
    firsts.see(ask('web', 'orders', 0))
    expect(firsts.newness(ask('web', 'orders', 0), START + NEW_FOR)).toBeDefined()
    expect(firsts.newness(ask('web', 'orders', 0), START + NEW_FOR + 2 * MINUTE)).toBeUndefined()
  })
})
