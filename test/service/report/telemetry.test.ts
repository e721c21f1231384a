import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, it, onTestFinished, vi } from 'vitest'
import { logServiceEvents, type ServiceTelemetryEvent } from '../../../service/index.js'
import { SERVICE_EVENT_KINDS } from '../../../service/report/log.js'
import { partsOf } from '../../../service/request/service.js'
import { silentLogger } from '../../../shared/logger.js'
import { loadService } from '../../support/load-service.js'
import { TestLogger } from '../../support/logger.js'
import { keytab, ORDERS, startRealm, WEB } from '../realm.js'

/** What a service tells those who listen, what it counts, and that none of them can harm a request. */

function listenTo(kind: string, listener: (event: ServiceTelemetryEvent) => void): void {
  const name = `orthrus:service:${kind}`
  const listen = (event: unknown): void => listener(event as ServiceTelemetryEvent)
  subscribe(name, listen)
  onTestFinished(() => void unsubscribe(name, listen))
}

it('a channel of its own has each kind of event, while somebody listens to it', async () => {
  const realm = await startRealm({ load: { logger: silentLogger } })
  const heard: ServiceTelemetryEvent[] = []
  const log = new TestLogger()
  const first = realm.sign()
  await realm.send(first)
  listenTo('accepted', event => heard.push(event))
  listenTo('replayed', event => heard.push(event))
  listenTo('replayed', logServiceEvents(log))
  const ticket = realm.ticket()
  const second = realm.sign(
    { method: 'POST', target: '/orders?token=geheim', body: Buffer.from('x') },
    { ticket },
  )
  for (const request of [second, first, { ...second, headers: [] }]) await realm.send(request)
  expect(heard).toEqual([
    {
      ...{ service: ORDERS, kind: 'accepted', method: 'POST', path: '/orders', caveats: [] },
      ...{ client: WEB, via: undefined, ticketId: ticket.ticketId, viaTicketId: undefined },
    },
    expect.objectContaining({ service: ORDERS, kind: 'replayed', client: WEB }),
  ])
  expect(log.lines).toEqual([
    {
      level: 'info',
      message: 'a request came again and was refused',
      fields: expect.objectContaining(heard[1]),
    },
  ])
})

it('an accepted request is made into no event if nobody would hear of it', async () => {
  const owners = await loadService({ keytab, service: 'orders' })
  onTestFinished(() => owners.close())
  const others = await startRealm()
  const silent = await startRealm({ load: { logger: silentLogger } })
  const listens = (service: typeof owners): boolean => partsOf(service).telemetry.acceptedAudience.isListening
  expect([owners, silent.service, others.service].map(listens)).toEqual([false, false, true])
  const report = vi.spyOn(partsOf(silent.service).telemetry, 'report')
  await silent.get()
  expect([report.mock.calls, silent.service.metrics().events.accepted]).toEqual([[], 1])
  listenTo('accepted', () => {})
  expect(listens(owners)).toBe(true)
  await silent.get()
  expect([report.mock.calls.length, silent.service.metrics().events.accepted]).toEqual([1, 2])
})

it.each([
  ['throws', () => expect.unreachable()],
  ['rejects', () => Promise.reject(new Error('disk full'))],
])('an onEvent that %s harms no request, and is told once', async (_, fails) => {
  const onEvent = vi.fn(fails)
  const realm = await startRealm({ load: { onEvent } })
  const statuses = []
  for (const _ of [1, 2, 3]) statuses.push((await realm.get()).status)
  expect(statuses).toEqual([200, 200, 200])
  const told = realm.log.lines.filter(({ fields }) => fields.kind === 'hook_failed')
  expect(told).toEqual([
    expect.objectContaining({
      level: 'error',
      fields: expect.objectContaining({ hook: 'onEvent', err: expect.any(Error) }),
    }),
  ])
  expect(realm.service.metrics().events).toMatchObject({ accepted: 3, hook_failed: 1 })
})

it('a logger that throws harms no request, and standard error has it once', async () => {
  const written = vi.spyOn(console, 'error').mockImplementation(() => {})
  const fails = (): never => {
    throw new Error('disk full')
  }
  const logger = { debug: fails, info: fails, warn: fails, error: fails }
  const realm = await startRealm({ load: { logger } })
  const request = realm.sign()
  expect((await realm.send(request)).status).toBe(200)
  expect((await realm.send(request)).status).toBe(401)
  expect(written.mock.calls.map(String).filter(line => line.includes('disk full'))).toHaveLength(1)
})

it('an onEvent that is no function is refused', async () => {
  const loading = loadService({ keytab, service: 'orders', onEvent: 'log' as never })
  await expect(loading).rejects.toThrow('onEvent of loadService is a function')
})

it('metrics() has numbers of all kinds of events, refusals by code, and what is held', async () => {
  const realm = await startRealm({ claims: { role: 'reader' } })
  const { service } = realm
  const before = service.metrics()
  expect(Object.keys(before.events)).toEqual(SERVICE_EVENT_KINDS)
  expect(new Set(Object.values(before.events))).toEqual(new Set([0]))
  const ticket = realm.ticket()
  const good = realm.sign({}, { ticket })
  const poor = realm.sign({}, { ticket: realm.ticket({ claims: [] }) })
  for (const request of [good, realm.sign({}, { ticket }), good, poor, { ...good, headers: [] }])
    await realm.send(request)
  const after = service.metrics()
  expect(after.events).toMatchObject({ accepted: 2, replayed: 1, refused: 1, challenged: 1, aborted: 0 })
  expect(after.refused).toEqual({ replay: 1, not_authorized: 1 })
  expect(after.ticketCache).toEqual({ tickets: 2, hits: 2, misses: 2 })
  expect(after.replayCache).toMatchObject({
    entries: 3,
    capacity: expect.any(Number),
    bytes: expect.any(Number),
  })
  expect([after.openChannels, after.passedWithoutTicket, before.events.accepted]).toEqual([0, 0, 0])
})
