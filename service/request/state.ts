/** How a service stands, as a readiness probe needs it. Times in milliseconds. */
export interface ServiceState {
  /** Whether it accepts requests, as far as its keys and revocations decide. */
  readonly ready: boolean
  /** The keys that open tickets, the highest kvno first. */
  readonly keys: readonly KeyState[]
  /** Undefined for a service that was loaded without `kdc`. */
  readonly feed: FeedState | undefined
}

export interface KeyState {
  readonly kvno: number
}

/** How a service stands with the KDC's log of what is revoked (docs/protocol.md section 10). */
export interface FeedState {
  /** Whether a channel to a KDC is open, and has brought everything. */
  readonly connected: boolean
  /** Since the sending of the last question that a KDC answered; undefined if none was. */
  readonly age: number | undefined
  /** Whether that is too long ago, so that nothing is accepted. */
  readonly stale: boolean
  /** Whether there are more revocations than may be held, so that nothing is accepted. */
  readonly full: boolean
  /** How many revocations are held. */
  readonly revocations: number
  /** KDC time minus this machine's clock, as the last answer told it; undefined without one. */
  readonly kdcTimeOffset: number | undefined
}

/** What a service does beside its requests. */
export interface Background {
  readonly feed: FeedState
  /** Ends it in order. */
  close(): Promise<void>
}
