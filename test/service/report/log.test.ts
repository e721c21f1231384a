import { afterEach, describe, expect, it, vi } from 'vitest'
import { requireTicket } from '../../../service/index.js'
import type { ServiceEvent } from '../../../service/report/events.js'
import { logTo } from '../../../service/report/log.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { loadService } from '../../support/load-service.js'
import { TestLogger } from '../../support/logger.js'
import { keytab, startRealm } from '../realm.js'

/** What a service reports about itself, and which part goes to standard error if its owner gave no logger. */

afterEach(() => void vi.restoreAllMocks())

it('each event is one line, at the level that it has', () => {
  const line = { method: 'GET', path: '/' }
  const client = 'web@demo.example' as never
  const told = {
    id: '0123456789ab',
    code: 'replay',
    reason: 'here before',
    hint: undefined,
    ownerMustAct: false,
  } as const
  const tickets = { via: undefined, ticketId: '00', viaTicketId: undefined }
  const refusal = { ...told, presenter: client, client, ...tickets, ...line }
  const failed = { client, reason: 'it threw', hint: undefined, err: new Error('no database'), ...line }
  const events: readonly (readonly [string, ServiceEvent])[] = [
    ['info', { kind: 'accepted', client, ...tickets, caveats: [], ...line }],
    ['info', { kind: 'challenged', hint: undefined, ...line }],
    ['warn', { kind: 'passed_without_ticket', from: '192.0.2.1', requests: 1, leftOut: 0, ...line }],
    ['info', { kind: 'refused', ...refusal }],
    ['warn', { kind: 'refused', ...refusal, ownerMustAct: true }],
    ['info', { kind: 'replayed', ...refusal }],
    ['error', { kind: 'unchecked', err: new Error('away'), ...line }],
    ['debug', { kind: 'aborted', ...line }],
    ['error', { kind: 'response_failed', ...failed }],
    ['warn', { kind: 'response_encoded', client, ...line }],
    ['error', { kind: 'hook_failed', hook: 'onRefused', err: new Error('no') }],
    ['error', { kind: 'wrong_event', err: new TypeError('upgrade') }],
    ['info', { kind: 'origin_refused', origin: 'https://evil.example', ...line }],
    ['error', { kind: 'clock_went_back', now: 1, floor: 2 }],
    ['warn', { kind: 'clock_leapt', now: 1, floor: 2 }],
    ['warn', { kind: 'replay_cache_full', now: 1, floor: 2 }],
    ['error', { kind: 'redis_away', reason: 'ECONNREFUSED' }],
    ['warn', { kind: 'redis_forgot', now: 1, floor: 2 }],
    ['error', { kind: 'redis_full', now: 1, floor: 2 }],
    ['error', { kind: 'redis_evicts', policy: 'allkeys-lru' }],
    ['error', { kind: 'redis_clock_apart', ahead: 65_000 }],
  ]
  const log = new TestLogger()
  const report = logTo(log)
  for (const [, event] of events) report(event)
  expect(log.lines.map(({ level, fields }) => [level, fields])).toEqual(events)
  expect(new Set(log.lines.map(({ message }) => message)).size).toBe(events.length)
})

it('a request is logged once, whether accepted, refused, replayed or without credentials', async () => {
  const realm = await startRealm({ claims: { role: 'reader' } })
  const [good, bad] = [realm.sign(), realm.sign({}, { ticket: realm.ticket({ claims: [] }) })]
  for (const request of [good, bad, good, bad, { ...good, headers: [] }]) await realm.send(request)
  expect(realm.log.lines.map(({ fields }) => [fields.kind, fields.code])).toEqual([
    ['accepted', undefined],
    ['refused', 'not_authorized'],
    ['replayed', 'replay'],
    ['replayed', 'replay'],
    ['challenged', undefined],
  ])
})

it('a clock that leapt is logged, with the floor', async () => {
  const realm = await startRealm()
  await realm.get()
  realm.clock.step(5_000)
  await realm.get()
  expect(realm.log.lines.filter(({ fields }) => fields.kind === 'clock_leapt')).toEqual([
    expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ now: realm.clock.now() }) }),
  ])
})

describe('standard error, unless a logger was given,', () => {
  it('has what the owner must know, in a few lines of each kind, and no secret', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => {})
    const realm = await startRealm()
    const { clock } = realm
    const service = await loadService({ keytab, service: 'orders', clock, timers: clock })
    clock.advance(7_000)
    const guard = requireTicket({ service, maxResponse: 10 }, (req, res) => {
      if (req.url?.startsWith('/large')) return res.end('x'.repeat(11))
      throw new Error('no database')
    })
    realm.server.removeAllListeners('request').on('request', guard)
    const sealedWith = new LongTermKey(new Uint8Array(32).fill(7))
    const sent = []
    for (let i = 0; i < 30; i++) {
      const request = realm.sign({}, { ticket: realm.ticket({ kvno: 4, sealedWith }) })
      sent.push(request)
      await realm.send(request)
    }
    for (const target of ['/large?token=geheim', '/7?token=geheim']) {
      const request = realm.sign({ target })
      sent.push(request)
      await realm.send(request)
    }
    const lines = written.mock.calls.map(([text]) => String(text))
    expect(lines.filter(line => line.includes('replace its keytab'))).toHaveLength(1)
    expect(lines.filter(line => line.includes('no database'))).toHaveLength(1)
    expect(lines.filter(line => line.includes('requireTicket({ maxResponse }), now 10'))).toHaveLength(1)
    expect(lines.length).toBeLessThanOrEqual(10)
    const secrets = sent.map(({ headers }) => Object.fromEntries(headers).authorization?.slice(8, 60) ?? '')
    for (const secret of ['geheim', 'orthruskey1_', ...secrets])
      expect(lines.join('\n')).not.toContain(secret)
  })

  it('is silent while all is well', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => {})
    const realm = await startRealm()
    const { clock } = realm
    const service = await loadService({ keytab, service: 'orders', clock, timers: clock })
    clock.advance(7_000)
    realm.server.removeAllListeners('request')
    realm.server.on(
      'request',
      requireTicket({ service }, (_req, res) => res.end('hello')),
    )
    expect((await realm.get()).status).toBe(200)
    await realm.send({ method: 'GET', target: '/', headers: [] })
    const refused = realm.sign()
    expect((await realm.send({ ...refused, target: '/orders/8' })).status).toBe(401)
    expect((await realm.send(refused)).status).toBe(401)
    expect(written.mock.calls).toEqual([])
  })
})
