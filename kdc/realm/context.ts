import type { RandomSource } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import type { Timers } from '../../shared/timers.js'
import type { RateLimits } from '../limits/rate-limits.js'
import type { Report } from '../report/report.js'
import type { OpenRealm } from './realm.js'

/** What every exchange works with. */
export interface ExchangeContext {
  readonly realm: OpenRealm
  readonly rates: RateLimits
  readonly timers: Timers
  readonly random: RandomSource
  readonly report: Report
}

/** One message, as the transport got it. */
export interface Incoming {
  readonly bytes: Uint8Array
  /** Where it comes from, as rates are counted. */
  readonly address: string
  /** KDC time, read once for the message, milliseconds. */
  readonly now: number
  /** Told when the message shows for the first time that its sender has a key, and the KDC serves its client. */
  readonly proved?: ((client: Principal) => void) | undefined
}
