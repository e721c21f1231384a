import type { RandomSource } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import type { Timers } from '../../shared/timers.js'
import type { RateLimits } from '../limits/rate-limits.js'
import type { Audit } from '../report/audit/audit.js'
import type { Measures } from '../report/measures.js'
import type { Report } from '../report/report.js'
import type { OpenRealm } from './realm.js'

/** What every exchange needs. */
export interface ExchangeContext {
  readonly realm: OpenRealm
  readonly rates: RateLimits
  readonly timers: Timers
  readonly random: RandomSource
  readonly report: Report
  /** Only if somebody measures the KDC. */
  readonly measures?: Measures | undefined
  /** `undefined` if the KDC keeps no audit log. */
  readonly audit?: Audit | undefined
}

/** One message, as the transport received it. */
export interface Incoming {
  readonly bytes: Uint8Array
  /** The address that it comes from, for the rate limits. */
  readonly address: string
  /** KDC time, read once for the message, milliseconds. */
  readonly now: number
  /** Called when a message that is not a repeat proves that its sender has the key of a client that the KDC serves. */
  readonly proved?: ((client: Principal) => void) | undefined
}
