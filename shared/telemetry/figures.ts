/** Metrics as neither prom-client nor OpenTelemetry names them: each is read from what has them, when it is asked for. */

export interface Figure<Source> {
  /** `service.ticket_cache.hits`: words of one part with `_`, parts with `.` between them. */
  readonly name: string
  readonly kind: 'counter' | 'gauge'
  readonly help: string
  /** Of OpenTelemetry; a name of prom-client ends with it if it is `s` or `By`. */
  readonly unit?: 's' | 'By'
  /** The labels that it has besides whose it is. */
  readonly label?: 'kind' | 'code' | 'kvno'
  /** Values by label; by `''` if it has none. */
  read(source: Source): Iterable<readonly [label: string, value: number | undefined]>
}

/** Whoever is observed by something, such as a registry: what is asked for later is read from all of them. */
export class Observed<Source extends object> {
  readonly #sources = new WeakMap<object, Set<Source>>()

  /** @param begin called with all sources of this observer, for its first one */
  add(observer: object, source: Source, begin: (sources: ReadonlySet<Source>) => void): void {
    const known = this.#sources.get(observer)
    if (known !== undefined) {
      known.add(source)
      return
    }
    const sources = new Set([source])
    begin(sources)
    this.#sources.set(observer, sources)
  }
}
