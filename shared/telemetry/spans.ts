import type * as OpenTelemetry from '@opentelemetry/api'
import type { TracedExchange, TracedOutcome, TracedSpan, Tracing } from './tracing.js'

/** How exchanges become spans of OpenTelemetry, by its conventions for HTTP and RPC. */

type Api = Pick<typeof OpenTelemetry, 'trace' | 'context' | 'propagation'>

/** As `SpanKind` and `SpanStatusCode` have them: numbers that are part of the API, which is not imported to run. */
export const KIND = { internal: 0, server: 1, client: 2 } as const
const STATUS_ERROR = 2

export function tracingOver(api: Api, propagate: boolean): Tracing {
  return { begin: exchange => begin(api, propagate, exchange) }
}

function begin(api: Api, propagate: boolean, exchange: TracedExchange): TracedSpan {
  const { trace, context, propagation } = api
  const { name, side, headers = [] } = exchange
  const active = context.active()
  // An instrumentation of the server has a span of the request already, which knows of its sender's.
  const isEntry = side === 'service' && trace.getSpan(active) === undefined
  const parent = isEntry ? propagation.extract(active, headers, FROM_PAIRS) : active
  const kind = side === 'client' ? KIND.client : isEntry ? KIND.server : KIND.internal
  const tracer = trace.getTracer('orthrus')
  const span = tracer.startSpan(`orthrus ${name}`, { kind, attributes: attributesOf(exchange) }, parent)
  const within = trace.setSpan(parent, span)
  return {
    within: work => context.with(within, work),
    headers: () => {
      if (!propagate) return []
      const carrier: Record<string, string> = {}
      propagation.inject(within, carrier)
      return Object.entries(carrier)
    },
    end: outcome => {
      finish(span, side, outcome)
      span.end()
    },
  }
}

type Pairs = readonly (readonly [name: string, value: string])[]

const FROM_PAIRS: OpenTelemetry.TextMapGetter<Pairs> = {
  keys: pairs => pairs.map(([name]) => name.toLowerCase()),
  get: (pairs, wanted) => {
    const found = pairs.filter(([name]) => name.toLowerCase() === wanted.toLowerCase())
    return found.length > 1 ? found.map(([, value]) => value) : found[0]?.[1]
  },
}

function attributesOf(exchange: TracedExchange): OpenTelemetry.Attributes {
  const { name, services, client, method, origin, path } = exchange
  const common = {
    'orthrus.exchange': name,
    ...(client === undefined ? {} : { 'orthrus.client': client }),
  }
  if (name !== 'AP') {
    const rpc = { 'rpc.system': 'orthrus', 'rpc.service': 'kdc', 'rpc.method': name }
    return { ...common, ...rpc, 'orthrus.services': [...services] }
  }
  const isChannel = method === 'CHANNEL'
  return {
    ...common,
    ...placeOf(origin),
    'orthrus.service': services[0] ?? '',
    ...(method === undefined || isChannel ? {} : { 'http.request.method': method }),
    ...(path === undefined ? {} : { 'url.path': path }),
  }
}

const PORTS: { readonly [protocol: string]: number | undefined } = {
  'http:': 80,
  'ws:': 80,
  'https:': 443,
  'wss:': 443,
}

function placeOf(origin: string | undefined): OpenTelemetry.Attributes {
  if (origin === undefined || !URL.canParse(origin)) return {}
  const { hostname, port, protocol } = new URL(origin)
  const number = port === '' ? PORTS[protocol] : Number(port)
  const address = { 'server.address': hostname, 'url.scheme': protocol.slice(0, -1) }
  return number === undefined ? address : { ...address, 'server.port': number }
}

/** A request that a service or a KDC refuses is a fault of whoever sent it. These are faults of its own. */
const OF_SERVICE: ReadonlySet<string> = new Set(['unavailable', 'error'])

/** What is known of an exchange once it is over. */
export function finish(
  span: OpenTelemetry.Span,
  side: TracedExchange['side'] | 'kdc',
  outcome: TracedOutcome,
): void {
  const { client, via, ticketId, viaTicketId, status, failure, reason, refusal } = outcome
  const known = {
    'orthrus.client': client,
    'orthrus.via': via,
    'orthrus.ticket_id': ticketId,
    'orthrus.via_ticket_id': viaTicketId,
    'orthrus.refusal_id': refusal,
    'http.response.status_code': status,
    'error.type': failure ?? (status !== undefined && status >= 400 ? String(status) : undefined),
  }
  for (const [name, value] of Object.entries(known)) if (value !== undefined) span.setAttribute(name, value)
  if (side !== 'client' && client !== undefined) span.setAttribute('enduser.id', client)
  const type = known['error.type']
  if (type !== undefined && (side === 'client' || OF_SERVICE.has(type))) {
    span.setStatus(reason === undefined ? { code: STATUS_ERROR } : { code: STATUS_ERROR, message: reason })
  }
}
