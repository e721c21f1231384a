import { channel } from 'node:diagnostics_channel'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as api from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ConnectOptions } from '../../../client/index.js'
import { acceptChannels, type LoadServiceOptions, requireTicket } from '../../../service/index.js'
import { KDC_EXCHANGES } from '../../../shared/telemetry/kdc-exchange.js'
import {
  createTracing,
  observeRealm,
  observeService,
  type Tracing,
  traceKdc,
} from '../../../shared/telemetry/opentelemetry.js'
import { startRealm } from '../../../testing/index.js'
import { failureOf } from '../../support/failure.js'
import { TestLogger } from '../../support/logger.js'
import { shownSpan, startSdk } from './spans.js'

/** Spans of OpenTelemetry on both sides, over real sockets, and its metrics. */

interface SceneOptions {
  readonly propagate?: boolean
  readonly client?: Partial<ConnectOptions>
  readonly service?: Partial<LoadServiceOptions>
  /** What stands in front of the gate. */
  readonly around?: (gate: RequestListener) => RequestListener
  readonly claims?: Record<string, string>
}

async function startScene({
  propagate = true,
  client,
  service,
  around = gate => gate,
  claims,
}: SceneOptions = {}) {
  const exporter = startSdk()
  const tracing = createTracing({ api, propagate })
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  const orders = await realm.loadService('orders', { tracing, ...service })
  const headers: IncomingHttpHeaders[] = []
  const gate = requireTicket({ service: orders, ...(claims && { claims }) }, (req, res) => {
    headers.push(req.headers)
    res.end('hello')
  })
  const server = createServer(around(gate))
  acceptChannels({ service: orders, server, path: '/channel' }, async channel => void (await channel.end()))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const web = await realm.connect('web', { tracing, ...client })
  const url = `http://127.0.0.1:${port}/orders/7?token=geheim`
  const call = (init: object = {}): Promise<Response> => web.fetch(url, { service: 'orders', ...init })
  const take = (): ReadableSpan[] => {
    const spans = exporter.getFinishedSpans()
    exporter.reset()
    return spans
  }
  return { realm, orders, web, port, headers, call, take }
}

const named = (spans: readonly ReadableSpan[], name: string): ReadableSpan =>
  spans.find(span => `${api.SpanKind[span.kind]} ${span.name}` === name) ?? expect.unreachable(name)

describe('spans', () => {
  it('of a call are those of the client and of the service, one trace, with the id of the ticket', async () => {
    const { web, port, headers, call, take } = await startScene()
    const root = api.trace.getTracer('test').startSpan('root')
    await api.context.with(api.trace.setSpan(api.context.active(), root), () =>
      call({ method: 'POST', body: 'geheim' }),
    )
    const spans = take()
    const { ticketId } = await web.getServiceTicket('orders')
    const call_ = named(spans, 'CLIENT orthrus AP')
    const principals = { 'orthrus.client': 'web@test.example', 'orthrus.ticket_id': ticketId }
    const http = {
      'http.request.method': 'POST',
      'url.path': '/orders/7',
      'orthrus.service': 'orders@test.example',
    }
    expect(spans.map(shownSpan)).toEqual([
      {
        ...{
          span: 'CLIENT orthrus AS',
          parent: root.spanContext().spanId,
          'orthrus.exchange': 'AS',
          ...principals,
        },
        ...{ 'rpc.system': 'orthrus', 'rpc.service': 'kdc', 'rpc.method': 'AS' },
        'orthrus.services': ['orders@test.example'],
      },
      {
        ...{ span: 'SERVER orthrus AP', parent: call_.spanContext().spanId, 'orthrus.exchange': 'AP' },
        ...{ ...principals, ...http, 'enduser.id': 'web@test.example' },
      },
      {
        ...{ span: 'CLIENT orthrus AP', parent: root.spanContext().spanId, 'orthrus.exchange': 'AP' },
        ...{ ...principals, ...http, 'http.response.status_code': 200 },
        ...{ 'server.address': '127.0.0.1', 'server.port': port, 'url.scheme': 'http' },
      },
    ])
    expect(new Set(spans.map(span => span.spanContext().traceId)).size).toBe(1)
    expect(headers[0]?.traceparent).toContain(call_.spanContext().spanId)
    expect(JSON.stringify(spans.map(shownSpan))).not.toContain('geheim')
  })

  it('of a service belong to that of an instrumented server, where there is one', async () => {
    const around =
      (gate: RequestListener): RequestListener =>
      (req, res) => {
        const span = api.trace.getTracer('http').startSpan('GET', { kind: api.SpanKind.SERVER })
        api.context.with(api.trace.setSpan(api.context.active(), span), () => gate(req, res))
        res.once('finish', () => span.end())
      }
    const { call, take } = await startScene({ around })
    await call()
    const spans = take()
    const own = named(spans, 'INTERNAL orthrus AP')
    expect(own.parentSpanContext?.spanId).toBe(named(spans, 'SERVER GET').spanContext().spanId)
  })

  it('say why a call was refused: an error for its client, and no failure of the service', async () => {
    const { call, take } = await startScene({ claims: { role: 'writer' } })
    expect(await failureOf(call())).toMatchObject({ code: 'not_authorized' })
    const spans = take().map(shownSpan)
    expect(spans).toContainEqual(
      expect.objectContaining({ span: 'CLIENT orthrus AP', 'error.type': 'not_authorized', failed: true }),
    )
    const served = spans.find(({ span }) => span === 'SERVER orthrus AP')
    expect(served).toMatchObject({ 'error.type': 'not_authorized', 'orthrus.client': 'web@test.example' })
    expect(served).not.toHaveProperty('failed')
  })

  it('of a question for a ticket say why there is none', async () => {
    const { realm, web, take } = await startScene()
    await realm.deny('web', 'orders')
    expect(await failureOf(web.getServiceTicket('orders'))).toMatchObject({ code: 'policy_denied' })
    expect(take().map(shownSpan)).toEqual([
      expect.objectContaining({ span: 'CLIENT orthrus AS', 'error.type': 'policy_denied', failed: true }),
    ])
  })

  it('of the opening of a channel are on both sides, matched by the id of the ticket', async () => {
    const { web, port, take } = await startScene()
    const channel = await web.openChannel(`ws://127.0.0.1:${port}/channel`, { service: 'orders' })
    await channel.end()
    const { ticketId } = await web.getServiceTicket('orders')
    const spans = take().map(shownSpan)
    for (const span of ['CLIENT orthrus AP', 'SERVER orthrus AP']) {
      expect(spans).toContainEqual(
        expect.objectContaining({ span, 'url.path': '/channel', 'orthrus.ticket_id': ticketId }),
      )
    }
  })

  it('are carried on only if told to, never twice, and never where the lack of a header is covered', async () => {
    const without = await startScene({ propagate: false })
    await without.call()
    const { headers, call } = await startScene()
    const own = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await call({ headers: { traceparent: own } })
    await call({ cover: ['traceparent'] })
    await call({ headers: { traceparent: own }, cover: ['traceparent'] })
    const seen = [...without.headers, ...headers].map(({ traceparent }) => traceparent)
    expect(seen).toEqual([undefined, own, undefined, own])
  })
})

const BROKEN: readonly (readonly [string, Tracing])[] = [
  ['begin', { begin: fail }],
  ['within', { begin: () => ({ within: fail, headers: () => [], end: () => {} }) }],
  ['headers', { begin: () => ({ within: work => work(), headers: fail, end: () => {} }) }],
  ['end', { begin: () => ({ within: work => work(), headers: () => [], end: fail }) }],
  [
    'within, once the work was done',
    {
      begin: () => ({
        within: work => {
          work()
          return fail()
        },
        headers: () => [],
        end: () => {},
      }),
    },
  ],
]

function fail(): never {
  throw new Error('no collector')
}

describe('a tracing that fails', () => {
  it.each(BROKEN)('in %s harms no call, and is told once by each side', async (_, tracing) => {
    const logs = [new TestLogger(), new TestLogger()] as const
    const client = { tracing, logger: logs[0] }
    const { call, headers } = await startScene({ client, service: { tracing, logger: logs[1] } })
    for (const _ of [1, 2]) expect((await call()).status).toBe(200)
    expect(headers.length).toBe(2)
    const told = logs.map(({ lines }) => lines.filter(({ fields }) => fields.hook === 'tracing').length)
    // A service sends no headers.
    expect(told).toEqual([1, _ === 'headers' ? 0 : 1])
  })

  it('is none if it cannot begin', async () => {
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    await realm.add('web')
    for (const tracing of [{}, 'on', null] as never[]) {
      await expect(realm.connect('web', { tracing })).rejects.toThrow(
        'tracing of connect is what createTracing',
      )
      await expect(realm.loadService('web', { tracing })).rejects.toThrow('tracing of loadService is what')
    }
    expect(() => createTracing({ api: {} as never })).toThrow("import * as api from '@opentelemetry/api'")
    expect(() => createTracing({ api, propagate: 1 as never })).toThrow(
      'propagate of createTracing is true or false',
    )
  })
})

describe('metrics', () => {
  it('are the numbers of services and clients, read when they are collected', async () => {
    const { web, orders, realm, call } = await startScene()
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 })
    const provider = new MeterProvider({ readers: [reader] })
    onTestFinished(() => provider.shutdown())
    const meter = provider.getMeter('test')
    const other = await realm.loadService('web')
    for (const service of [orders, other]) observeService({ meter, service })
    observeRealm({ meter, realm: web })
    await call()
    await reader.forceFlush()
    const metrics = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(scope => scope.metrics))
    const values = new Map(metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]))
    const own = { 'orthrus.service': 'orders@test.example' }
    expect(values.get('orthrus.service.events')).toContainEqual(
      expect.objectContaining({ value: 1, attributes: { ...own, 'orthrus.kind': 'accepted' } }),
    )
    expect(values.get('orthrus.service.ready')).toEqual([
      expect.objectContaining({ value: 1, attributes: own }),
      expect.objectContaining({ value: 1, attributes: { 'orthrus.service': 'web@test.example' } }),
    ])
    expect(values.get('orthrus.client.events')).toContainEqual(
      expect.objectContaining({
        value: 1,
        attributes: { 'orthrus.client': 'web@test.example', 'orthrus.kind': 'answer_proved' },
      }),
    )
    expect(values.get('orthrus.client.kdc_connected')).toMatchObject([{ value: 1 }])
    const strange = vi.fn()
    expect(() => observeService({ meter: strange as never, service: orders })).toThrow(
      'meter of observeService is',
    )
    expect(() => observeRealm({ meter: strange as never, realm: web })).toThrow('meter of observeRealm is')
  })
})

describe('the spans of a KDC', () => {
  it('have the ids of the tickets and refusals that the spans of its clients have, and traces of their own', async () => {
    const exporter = startSdk()
    const end = traceKdc({ api })
    onTestFinished(end)
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const web = await realm.connect('web', { tracing: createTracing({ api }) })
    await web.getServiceTicket('orders')
    await failureOf(web.getServiceTicket('nowhere'))
    const spans = exporter.getFinishedSpans().filter(({ name }) => /AS|TGS/.test(name))
    const [servers, clients] = [api.SpanKind.SERVER, api.SpanKind.CLIENT].map(kind =>
      spans.filter(span => span.kind === kind),
    )
    const common = { 'orthrus.client': 'web@test.example', 'enduser.id': 'web@test.example' }
    expect(servers?.map(shownSpan)).toEqual([
      expect.objectContaining({
        span: 'SERVER orthrus AS',
        ...common,
        'orthrus.realm': 'test.example',
        'orthrus.services': ['krbtgt@test.example', 'orders@test.example'],
        'client.address': '127.0.0.1',
        'rpc.system': 'orthrus',
        'rpc.service': 'kdc',
        'rpc.method': 'AS',
      }),
      expect.objectContaining({
        span: 'SERVER orthrus TGS',
        ...common,
        'orthrus.services': ['nowhere@test.example'],
        'error.type': 'policy_denied',
      }),
    ])
    const shared = [
      'orthrus.exchange',
      'orthrus.client',
      'orthrus.ticket_id',
      'orthrus.refusal_id',
      'error.type',
    ]
    const facts = (span: ReadableSpan) => shared.map(name => span.attributes[name])
    expect(servers?.map(facts)).toEqual(clients?.map(facts))
    expect(facts(servers?.[0] as ReadableSpan)[2]).toMatch(/^[0-9a-f]{32}$/)
    expect(facts(servers?.[1] as ReadableSpan)[3]).toMatch(/^[0-9a-f]{12}$/)
    // What a client asked in vain is no fault of the KDC.
    expect(servers?.map(({ status }) => status.code)).toEqual([0, 0])
    for (const { parentSpanContext, startTime, endTime } of servers ?? []) {
      expect(parentSpanContext).toBeUndefined()
      expect(endTime[0] * 1e9 + endTime[1]).toBeGreaterThanOrEqual(startTime[0] * 1e9 + startTime[1])
      expect(startTime[0]).toBe(Math.floor(realm.clock.now() / 1_000))
    }
    end()
    exporter.reset()
    await web.getServiceTicket('orders', { refresh: true } as never).catch(() => {})
    await failureOf(web.getServiceTicket('elsewhere'))
    expect(exporter.getFinishedSpans().filter(({ kind }) => kind === api.SpanKind.SERVER)).toEqual([])
  })

  it('belong to no span that is active in the process of the KDC', () => {
    const exporter = startSdk()
    onTestFinished(traceKdc({ api }))
    const about = {
      realm: 'test.example',
      exchange: 'AS',
      from: '192.0.2.1',
      client: undefined,
      code: 'malformed',
    }
    const event = { kind: 'exchange', ...about, tickets: [], denied: [], start: 1_500.25, duration: 2.5 }
    const outer = api.trace.getTracer('another').startSpan('outer')
    api.context.with(api.trace.setSpan(api.context.active(), outer), () =>
      channel(KDC_EXCHANGES).publish(event),
    )
    const [span] = exporter.getFinishedSpans()
    expect(span?.parentSpanContext).toBeUndefined()
    expect(span?.spanContext().traceId).not.toBe(outer.spanContext().traceId)
    expect([span?.startTime, span?.endTime]).toEqual([
      [1, 500_250_000],
      [1, 502_750_000],
    ])
  })

  it('that cannot be made harm no exchange', async () => {
    const error = vi.fn()
    const broken = { trace: { getTracer: () => expect.unreachable() }, diag: { error } }
    onTestFinished(traceKdc({ api: broken as never }))
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    await realm.add('web')
    await (await realm.connect('web')).getTgt()
    expect(error).toHaveBeenCalledTimes(1)
  })

  it('are refused what is no API of OpenTelemetry', () => {
    expect(() => traceKdc({ api: {} } as never)).toThrow('api of traceKdc is the module')
    expect(() => traceKdc({ api, propagat: true } as never)).toThrow(/propagat/)
  })
})
