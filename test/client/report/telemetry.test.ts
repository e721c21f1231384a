import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, it, onTestFinished, vi } from 'vitest'
import {
  type ClientEvent,
  type ClientTelemetryEvent,
  logClientEvents,
  silentLogger,
} from '../../../client/index.js'
import { partsOf } from '../../../client/realm.js'
import { CLIENT_EVENT_KINDS } from '../../../client/report/log.js'
import { HOUR, MINUTE } from '../../../shared/time.js'
import { TestLogger } from '../../support/logger.js'
import { ORDERS, WEB } from '../fake-kdc.js'
import { failureOf, KDC_URL, ORDERS_URL, Setting } from '../setting.js'

/** What a client tells those who listen, what it counts, and that none of them can harm a request. */

async function listening(setting = new Setting()) {
  const events: ClientTelemetryEvent[] = []
  const realm = await setting.connect({ onEvent: event => void events.push(event) })
  const kinds = (): string[] => events.splice(0).map(({ kind }) => kind)
  return { setting, realm, events, kinds }
}

const HEX = /^[0-9a-f]{32}$/

it('a call is told from the question for its ticket to its proved answer, by one id of a ticket', async () => {
  const { realm, events } = await listening()
  await realm.fetch(`${ORDERS_URL}/orders/7?token=geheim`, { method: 'POST', body: 'geheim' })
  const { ticketId, endTime } = await realm.getServiceTicket('orders')
  const tgs = expect.stringMatching(/^krbtgt|^tgs|@/)
  const asked = { principal: WEB, exchange: 'AS', client: WEB }
  const call = {
    ...{ principal: WEB, service: ORDERS, client: WEB, via: undefined, ticketId, viaTicketId: undefined },
    ...{ method: 'POST', origin: ORDERS_URL, path: '/orders/7' },
  }
  expect(events).toEqual([
    { kind: 'kdc_found', principal: WEB, kdc: expect.stringContaining(KDC_URL) },
    { kind: 'ticket_asked', ...asked, services: [ORDERS] },
    {
      kind: 'ticket_granted',
      ...asked,
      service: tgs,
      ticketId: expect.stringMatching(HEX),
      endTime: expect.any(Number),
    },
    { kind: 'ticket_granted', ...asked, service: ORDERS, ticketId, endTime },
    { kind: 'call_presented', ...call },
    { kind: 'answer_proved', ...call, status: 200, duration: 0 },
  ])
})

it('a refusal is told with its code, and whether it is proved; and what is sent again', async () => {
  const { setting, realm, events, kinds } = await listening()
  await realm.fetch(ORDERS_URL)
  kinds()
  setting.orders.intercept = arrived => setting.orders.refuse(arrived, 'replay')
  expect(await failureOf(realm.fetch(ORDERS_URL))).toMatchObject({ code: 'replay' })
  expect(
    events.map(event => [event.kind, 'code' in event && event.code, 'proved' in event && event.proved]),
  ).toEqual([
    ['call_presented', false, false],
    ['call_refused', 'replay', true],
    ['call_retried', 'replay', false],
    ['call_presented', false, false],
    ['call_refused', 'replay', true],
  ])
  kinds()
  setting.orders.intercept = () => new Response('hello')
  expect(await failureOf(realm.fetch(ORDERS_URL))).toMatchObject({ code: 'response_unproved' })
  expect(events).toEqual([
    expect.objectContaining({ kind: 'call_presented' }),
    expect.objectContaining({ kind: 'call_failed', code: 'response_unproved', service: ORDERS }),
  ])
  expect(realm.metrics().refusedCalls).toEqual({ replay: 2, response_unproved: 1 })
})

it('a ticket that the KDC does not grant is told once for each question', async () => {
  const { setting, realm, events } = await listening()
  setting.kdc.denied.set(ORDERS, 'policy_denied')
  for (const _ of [1, 2])
    expect(await failureOf(realm.fetch(ORDERS_URL))).toMatchObject({ code: 'policy_denied' })
  expect(events.filter(({ kind }) => kind === 'ticket_refused')).toEqual([
    {
      ...{ kind: 'ticket_refused', principal: WEB, exchange: 'AS', client: WEB, services: [ORDERS] },
      ...{ code: 'policy_denied', reason: expect.stringContaining('orders'), refusal: expect.any(String) },
      kdc: 'ws://127.0.0.1:8750',
    },
  ])
  expect(realm.metrics().refusedTickets).toEqual({ policy_denied: 1 })
})

it('a ticket that is refreshed is told with the one that it replaces', async () => {
  const { setting, realm, events } = await listening()
  const { ticketId, endTime } = await realm.getServiceTicket('orders')
  await setting.time.elapse(0.85 * (endTime - setting.time.now()))
  const refreshed = events.filter(({ kind }) => kind === 'ticket_refreshed')
  expect(refreshed[0]).toMatchObject({ client: WEB, service: ORDERS, replaced: ticketId })
  expect((refreshed[0] as { ticketId: string }).ticketId).not.toBe(ticketId)
})

it('channels of Node have each kind, which the log of a caller can write; unheard calls are only counted', async () => {
  const setting = new Setting()
  const realm = await setting.connect({ logger: silentLogger })
  const report = vi.spyOn(partsOf(realm).telemetry, 'report')
  await realm.fetch(ORDERS_URL)
  const told = () => report.mock.calls.map(([event]: [ClientEvent]) => event.kind)
  expect(told()).not.toContain('call_presented')
  expect(realm.metrics().events).toMatchObject({ call_presented: 1, answer_proved: 1, ticket_granted: 2 })
  const log = new TestLogger()
  const listen = logClientEvents(log) as (event: unknown) => void
  subscribe('orthrus:client:answer_proved', listen)
  onTestFinished(() => void unsubscribe('orthrus:client:answer_proved', listen))
  await realm.fetch(ORDERS_URL)
  expect(log.lines).toEqual([
    {
      level: 'debug',
      message: 'the answer is proved',
      fields: expect.objectContaining({ principal: WEB, status: 200 }),
    },
  ])
  const { events, tickets, kdcConnected } = realm.metrics()
  expect(Object.keys(events)).toEqual(CLIENT_EVENT_KINDS)
  expect([events.call_presented, events.answer_proved, tickets, kdcConnected]).toEqual([2, 2, 1, true])
})

it.each([
  ['throws', () => expect.unreachable()],
  ['rejects', () => Promise.reject(new Error('disk full'))],
])('an onEvent that %s harms no call, and is told once', async (_, fails) => {
  const setting = new Setting()
  const realm = await setting.connect({ onEvent: vi.fn(fails) })
  for (const _ of [1, 2]) expect((await realm.fetch(ORDERS_URL)).status).toBe(200)
  const told = setting.log.filter(({ fields }) => fields.kind === 'hook_failed')
  expect(told).toEqual([
    expect.objectContaining({ level: 'error', fields: expect.objectContaining({ hook: 'onEvent' }) }),
  ])
  await expect(setting.connect({ onEvent: 'log' as never })).rejects.toThrow(
    'onEvent of connect is a function',
  )
})

it('a KDC that is lost is told once, and once that it is found again', async () => {
  const { setting, realm, kinds } = await listening()
  await realm.fetch(ORDERS_URL)
  kinds()
  setting.kdc.down()
  expect(kinds()).toEqual(['kdc_lost'])
  expect(realm.metrics().kdcConnected).toBe(false)
  setting.kdc.up()
  await setting.time.elapse(MINUTE)
  await realm.getServiceTicket('orders', { lifetime: HOUR })
  expect(kinds().filter(kind => kind.startsWith('kdc_'))).toEqual(['kdc_found'])
})
