import type * as OpenTelemetry from '@opentelemetry/api'
import { listenTo } from '#diagnostics'
import { type KnownOptions, requireKnownOptions } from '../options.js'
import { SECOND } from '../time.js'
import { KDC_EXCHANGES, type KdcExchangeEvent } from './kdc-exchange.js'
import { finish, KIND } from './spans.js'

export interface TraceKdcOptions {
  /** The module `@opentelemetry/api`, all of it. */
  readonly api: Pick<typeof OpenTelemetry, 'trace' | 'diag'>
}

const KNOWN: KnownOptions<TraceKdcOptions> = { api: true }

/**
 * Makes a span for each login (AS) and question for tickets (TGS) that a KDC of this process answers, whether it was
 * started by `startKdc` or by `orthrus kdc` (docs/telemetry.md). The spans are roots: a request to a KDC carries no trace.
 * @returns ends it
 * @throws TypeError for an unknown option, and for what is no `@opentelemetry/api`
 */
export function traceKdc(options: TraceKdcOptions): () => void {
  requireKnownOptions('traceKdc', options, KNOWN)
  const { api } = options
  if (typeof api?.trace?.getTracer !== 'function') {
    throw new TypeError("api of traceKdc is the module: import * as api from '@opentelemetry/api'")
  }
  return listenTo(KDC_EXCHANGES, event => {
    // What a subscriber throws would end the KDC.
    try {
      record(api.trace, event as KdcExchangeEvent)
    } catch (cause) {
      api.diag?.error('orthrus: a span of the KDC could not be made', cause)
    }
  })
}

function record(trace: TraceKdcOptions['api']['trace'], event: KdcExchangeEvent): void {
  const { exchange, start, duration, tickets, denied, code, client, reason, refusal } = event
  const attributes = attributesOf(event)
  const startTime = hrTime(start)
  const span = trace
    .getTracer('orthrus')
    .startSpan(`orthrus ${exchange}`, { kind: KIND.server, attributes, startTime, root: true })
  const failure = code === 'ok' ? denied[0]?.code : code
  finish(span, 'kdc', { client, ticketId: tickets.at(-1)?.ticketId, failure, reason, refusal })
  span.end(hrTime(start + duration))
}

function attributesOf({
  realm,
  exchange,
  from,
  tickets,
  denied,
}: KdcExchangeEvent): OpenTelemetry.Attributes {
  return {
    'orthrus.exchange': exchange,
    'orthrus.realm': realm,
    'orthrus.services': [...tickets, ...denied].map(({ service }) => service),
    'client.address': from,
    'rpc.system': 'orthrus',
    'rpc.service': 'kdc',
    'rpc.method': exchange,
  }
}

/** Seconds and nanoseconds: a plain number would be taken for one since the process began if the clock is far back. */
function hrTime(milliseconds: number): OpenTelemetry.HrTime {
  const seconds = Math.floor(milliseconds / SECOND)
  return [seconds, Math.floor((milliseconds - seconds * SECOND) * 1e6)]
}
