import { ownerLogger } from '#owner-logger'
import { type Fraction, fractionFrom } from '../shared/crypto/fraction.js'
import { checkedRandom, type RandomSource, systemRandom } from '../shared/crypto/random.js'
import type { Logger } from '../shared/logger.js'
import { shown } from '../shared/shown-text.js'
import { type Clock, parseDuration, SECOND, systemClock } from '../shared/time.js'
import { systemTimers, type Timers } from '../shared/timers.js'
import type { ConnectOptions, Timeouts } from './connect-options.js'
import { ClientTelemetry } from './report/telemetry.js'

/** Milliseconds. */
const TIMEOUTS: Required<Timeouts> = {
  connect: 5 * SECOND,
  exchange: 3 * SECOND,
  silence: SECOND,
  call: 30 * SECOND,
}
/** Bytes. */
const BODY_MAX = 8 * 1024 * 1024

/** The options of `connect` with all defaults filled in. */
export interface Settings {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: RandomSource
  readonly fraction: Fraction
  readonly logger: Logger
  readonly telemetry: ClientTelemetry
  readonly fetch: typeof globalThis.fetch
  readonly timeouts: Required<Timeouts>
  /** Milliseconds. */
  readonly wait: number
  readonly keepProcessAlive: boolean
  readonly maxRequest: number
  readonly maxResponse: number
}

/** Applies the defaults of `connect`. @throws TypeError if `wait` is not a duration */
export function settingsFrom(options: ConnectOptions): Settings {
  const { timeouts } = options
  const random = checkedRandom(options.random ?? systemRandom)
  const logger = options.logger ?? ownerLogger
  return {
    clock: options.clock ?? systemClock,
    timers: options.timers ?? systemTimers,
    random,
    fraction: fractionFrom(random),
    logger,
    telemetry: new ClientTelemetry({
      logger,
      ownerLogger,
      onEvent: options.onEvent,
    }),
    // Looked up at each call, so that a later replacement of the global `fetch` takes effect.
    fetch: options.fetch ?? ((...args) => globalThis.fetch(...args)),
    timeouts: { ...TIMEOUTS, ...timeouts },
    wait: options.wait === undefined ? 0 : waitFrom(options.wait),
    keepProcessAlive: options.keepProcessAlive ?? false,
    maxRequest: options.maxRequest ?? BODY_MAX,
    maxResponse: options.maxResponse ?? BODY_MAX,
  }
}

function waitFrom(wait: string): number {
  const milliseconds = typeof wait === 'string' ? parseDuration(wait) : undefined
  if (milliseconds === undefined) throw new TypeError(`wait is a duration such as '30s', not ${shown(wait)}`)
  return milliseconds
}
