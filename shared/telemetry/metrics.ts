import type * as PromClient from 'prom-client'
import { type KnownOptions, requireKnownOptions } from '../options.js'
import { CLIENT_FIGURES } from './client-figures.js'
import { type Figure, Observed } from './figures.js'
import { SERVICE_FIGURES } from './service-figures.js'
import type { CountedRealm, CountedService } from './sources.js'

/** `orthrus/metrics`: the numbers of services and clients for Prometheus, by the `prom-client` that its caller has. */

interface CollectOptions {
  /** The module `prom-client`, all of it. */
  readonly promClient: Pick<typeof PromClient, 'Counter' | 'Gauge' | 'register'>
  /** Default: the one of the module. */
  readonly registry?: PromClient.Registry
}

export interface CollectServiceOptions extends CollectOptions {
  readonly service: CountedService
}

export interface CollectRealmOptions extends CollectOptions {
  readonly realm: CountedRealm
}

const SERVICE_OPTIONS: KnownOptions<CollectServiceOptions> = {
  promClient: true,
  registry: true,
  service: true,
}
const REALM_OPTIONS: KnownOptions<CollectRealmOptions> = { promClient: true, registry: true, realm: true }

const services = new Observed<CountedService>()
const realms = new Observed<CountedRealm>()

/**
 * Adds the numbers of a service to a registry, each read when it is collected, with the label `service`. Several services
 * may be added.
 * @throws TypeError for an unknown option, and for what is no prom-client
 */
export function collectService(options: CollectServiceOptions): void {
  requireKnownOptions('collectService', options, SERVICE_OPTIONS)
  const registry = registryOf(options)
  services.add(registry, options.service, all => {
    for (const figure of SERVICE_FIGURES) {
      collect(options, registry, figure, 'service', service => service.principal, all)
    }
  })
}

/**
 * Adds the numbers of a realm of a client to a registry, with the label `client`. Several realms may be added.
 * @throws TypeError for an unknown option, and for what is no prom-client
 */
export function collectRealm(options: CollectRealmOptions): void {
  requireKnownOptions('collectRealm', options, REALM_OPTIONS)
  const registry = registryOf(options)
  realms.add(registry, options.realm, all => {
    for (const figure of CLIENT_FIGURES) {
      collect(options, registry, figure, 'client', realm => realm.client, all)
    }
  })
}

function registryOf({ promClient, registry }: CollectOptions): PromClient.Registry {
  if (typeof promClient?.Counter === 'function') return registry ?? promClient.register
  throw new TypeError("promClient is the module: import * as promClient from 'prom-client'")
}

function collect<Source>(
  { promClient }: CollectOptions,
  registry: PromClient.Registry,
  figure: Figure<Source>,
  whose: 'service' | 'client',
  nameOf: (source: Source) => string,
  sources: ReadonlySet<Source>,
): void {
  const { kind, help, label } = figure
  const values = function* (): Generator<readonly [labels: Record<string, string>, value: number]> {
    for (const source of sources) {
      for (const [text, value] of figure.read(source)) {
        if (value === undefined) continue
        yield [
          label === undefined ? { [whose]: nameOf(source) } : { [whose]: nameOf(source), [label]: text },
          value,
        ]
      }
    }
  }
  const labelNames = label === undefined ? [whose] : [whose, label]
  const common = { name: nameIn(figure), help, labelNames, registers: [registry] }
  if (kind === 'counter') {
    new promClient.Counter({
      ...common,
      collect() {
        this.reset()
        for (const [labels, value] of values()) this.inc(labels, value)
      },
    })
    return
  }
  new promClient.Gauge({
    ...common,
    collect() {
      this.reset()
      for (const [labels, value] of values()) this.set(labels, value)
    },
  })
}

const UNITS = { s: '_seconds', By: '_bytes' } as const

function nameIn<Source>({ name, kind, unit }: Figure<Source>): string {
  const whole = `orthrus_${name.replaceAll('.', '_')}${unit === undefined ? '' : UNITS[unit]}`
  return kind === 'counter' ? `${whole}_total` : whole
}
