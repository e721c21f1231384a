import type * as OpenTelemetry from '@opentelemetry/api'
import { type KnownOptions, requireKnownOptions } from '../options.js'
import { CLIENT_FIGURES } from './client-figures.js'
import { type Figure, Observed } from './figures.js'
import { SERVICE_FIGURES } from './service-figures.js'
import type { CountedRealm, CountedService } from './sources.js'
import { tracingOver } from './spans.js'
import type { Tracing } from './tracing.js'

/** `orthrus/opentelemetry`: spans and metrics, by the `@opentelemetry/api` that its caller has. */

export type { KdcExchangeEvent } from './kdc-exchange.js'
export { type TraceKdcOptions, traceKdc } from './kdc-spans.js'
export type { TracedExchange, TracedOutcome, TracedSpan, Tracing } from './tracing.js'

export interface TracingOptions {
  /** The module `@opentelemetry/api`, all of it. */
  readonly api: Pick<typeof OpenTelemetry, 'trace' | 'context' | 'propagation'>
  /**
   * Whether requests of `realm.fetch` get the headers that the registered propagator writes, such as `traceparent`. Leave it
   * out if an instrumentation of `fetch` or undici writes them: two of them break the trace. Default false.
   */
  readonly propagate?: boolean
}

export interface ObserveServiceOptions {
  /** Such as `metrics.getMeter('shop')` gives. */
  readonly meter: OpenTelemetry.Meter
  readonly service: CountedService
}

export interface ObserveRealmOptions {
  readonly meter: OpenTelemetry.Meter
  readonly realm: CountedRealm
}

const TRACING: KnownOptions<TracingOptions> = { api: true, propagate: true }
const OBSERVE_SERVICE: KnownOptions<ObserveServiceOptions> = { meter: true, service: true }
const OBSERVE_REALM: KnownOptions<ObserveRealmOptions> = { meter: true, realm: true }

const services = new Observed<CountedService>()
const realms = new Observed<CountedRealm>()

/**
 * For the option `tracing` of `connect` and `loadService`: a span for each login (AS), question for tickets (TGS) and
 * request or opening of a channel (AP), of the client, and for each request that the service checks (docs/telemetry.md).
 * @throws TypeError for an unknown option, and for what is no `@opentelemetry/api`
 */
export function createTracing(options: TracingOptions): Tracing {
  requireKnownOptions('createTracing', options, TRACING)
  const { api, propagate = false } = options
  if (typeof api?.trace?.getTracer !== 'function') {
    throw new TypeError("api of createTracing is the module: import * as api from '@opentelemetry/api'")
  }
  if (typeof propagate !== 'boolean') throw new TypeError('propagate of createTracing is true or false')
  return tracingOver(api, propagate)
}

/**
 * Lets a meter observe the numbers of a service, with the attribute `orthrus.service`. Several services may be observed.
 * @throws TypeError for an unknown option, and for what is no meter
 */
export function observeService(options: ObserveServiceOptions): void {
  requireKnownOptions('observeService', options, OBSERVE_SERVICE)
  const { meter, service } = options
  requireMeter('observeService', meter)
  services.add(meter, service, all => {
    for (const figure of SERVICE_FIGURES) observe(meter, figure, 'service', each => each.principal, all)
  })
}

/**
 * Lets a meter observe the numbers of a realm of a client, with the attribute `orthrus.client`. Several realms may be observed.
 * @throws TypeError for an unknown option, and for what is no meter
 */
export function observeRealm(options: ObserveRealmOptions): void {
  requireKnownOptions('observeRealm', options, OBSERVE_REALM)
  const { meter, realm } = options
  requireMeter('observeRealm', meter)
  realms.add(meter, realm, all => {
    for (const figure of CLIENT_FIGURES) observe(meter, figure, 'client', each => each.client, all)
  })
}

function requireMeter(name: string, meter: OpenTelemetry.Meter): void {
  if (typeof meter?.createObservableCounter === 'function') return
  throw new TypeError(`meter of ${name} is what metrics.getMeter of @opentelemetry/api gives`)
}

function observe<Source>(
  meter: OpenTelemetry.Meter,
  figure: Figure<Source>,
  whose: 'service' | 'client',
  nameOf: (source: Source) => string,
  sources: ReadonlySet<Source>,
): void {
  const { name, kind, help: description, unit, label } = figure
  const described = unit === undefined ? { description } : { description, unit }
  const instrument =
    kind === 'counter'
      ? meter.createObservableCounter(`orthrus.${name}`, described)
      : meter.createObservableGauge(`orthrus.${name}`, described)
  instrument.addCallback(result => {
    for (const source of sources) {
      for (const [text, value] of figure.read(source)) {
        if (value === undefined) continue
        const own = { [`orthrus.${whose}`]: nameOf(source) }
        result.observe(value, label === undefined ? own : { ...own, [`orthrus.${label}`]: text })
      }
    }
  })
}
