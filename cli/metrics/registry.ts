import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { KdcMetrics } from '../../kdc/index.js'
import { SECOND } from '../../shared/time.js'
import { DEFINITIONS, type Definition, type DistributionSample, type Labels } from './definitions.js'

/** The numbers of a KDC and of its process in the text form of Prometheus. */

export interface MetricsText {
  readonly contentType: string
  readonly text: string
}

/** @param version of the package. @returns writes the numbers that it is given */
export function metricsWriter(version: string): (numbers: KdcMetrics) => Promise<MetricsText> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const info = new Gauge({
    name: 'orthrus_kdc_info',
    help: 'The version.',
    labelNames: ['version'],
    registers: [registry],
  })
  info.set({ version }, 1)
  let numbers: KdcMetrics | undefined
  const read = (): KdcMetrics => {
    if (numbers === undefined) throw new TypeError('metrics are written from numbers')
    return numbers
  }
  for (const definition of DEFINITIONS) register(definition, registry, read)
  return async latest => {
    numbers = latest
    return { contentType: registry.contentType, text: await registry.metrics() }
  }
}

function register(definition: Definition, registry: Registry, read: () => KdcMetrics): void {
  const { name, help, labels } = definition
  const described = { name, help, labelNames: [...labels], registers: [registry] }
  if (definition.type === 'histogram') {
    new CountedHistogram(described, () => definition.read(read()))
  } else if (definition.type === 'gauge') {
    new Gauge({
      ...described,
      collect() {
        const samples = definition.read(read())
        this.reset()
        // Without labels a reset leaves a 0, which would say something of what is not there.
        if (samples.length === 0) this.remove()
        for (const { labels, value } of samples) this.set(labels, value)
      },
    })
  } else {
    new Counter({
      ...described,
      collect() {
        this.reset()
        for (const { labels, value } of definition.read(read())) this.inc(labels, value)
      },
    })
  }
}

interface Line {
  readonly metricName: string
  readonly labels: Labels
  readonly sharedLabels: Labels
  readonly value: number
}

/** A histogram that was counted elsewhere. */
class CountedHistogram extends Histogram {
  readonly #described: { readonly name: string; readonly help: string }
  readonly #read: () => readonly DistributionSample[]

  constructor(
    described: ConstructorParameters<typeof Histogram>[0],
    read: () => readonly DistributionSample[],
  ) {
    super(described)
    this.#described = described
    this.#read = read
  }

  /** What the registry and `get` ask for all that there is. */
  async getForPromString() {
    const { name, help } = this.#described
    const values = this.#read().flatMap(sample => linesOf(name, sample))
    return { name, help, type: 'histogram', aggregator: 'sum', values } as const
  }
}

function linesOf(name: string, { labels, distribution }: DistributionSample): Line[] {
  const { count, sum, buckets } = distribution
  const line = (part: string, value: number, more: Labels = {}): Line => ({
    metricName: `${name}_${part}`,
    labels: { ...labels, ...more },
    sharedLabels: {},
    value,
  })
  return [
    ...buckets.map(({ atMost, count }) => line('bucket', count, { le: String(atMost / SECOND) })),
    line('bucket', count, { le: '+Inf' }),
    line('sum', sum / SECOND),
    line('count', count),
  ]
}
