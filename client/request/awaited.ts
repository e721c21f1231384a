import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { Span } from '../kdc-link/kdc-clock.js'
import type { Presented } from './presenting.js'
import type { UnprotectedOrigins } from './unprotected.js'

/** What a response is checked against. */
export interface Awaited {
  readonly presented: Presented
  readonly method: string
  readonly url: URL
  readonly span: Span
  /** The largest body that is collected, bytes. */
  readonly maxBytes: number
  /** If no response is taken but a sealed one. */
  readonly sealed?: StreamLife | undefined
  /** Where answers without a proof are taken. Default: nowhere. */
  readonly unprotected?: UnprotectedOrigins | undefined
}

/** What a response that is read as it comes needs until it is over. */
export interface StreamLife {
  readonly clock: Clock
  readonly timers: Timers
  /** Ends it. */
  readonly signal: AbortSignal
  /** Keeps the signal in force until the function that it returns is called. */
  prolong(): () => void
}
