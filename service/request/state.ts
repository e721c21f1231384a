/** How a service stands, as a readiness probe needs it. Times in milliseconds. */
export interface ServiceState {
  /** Whether it accepts requests, as far as its keys and revocations decide. */
  readonly ready: boolean
  /** The keys that open tickets, the highest kvno first. */
  readonly keys: readonly KeyState[]
  /** Undefined for a service that was loaded without `kdc`. */
  readonly feed: FeedState | undefined
  /** What was let through without a ticket; undefined if no gate has `permitWithoutTicket`. */
  readonly withoutTicket: WithoutTicketState | undefined
}

/** The requests without a ticket that gates with `permitWithoutTicket` let through, since the service was loaded. */
export interface WithoutTicketState {
  readonly requests: number
  /** The last thousand addresses that such requests came from, the latest first. */
  readonly peers: readonly PeerWithoutTicket[]
  /** How many addresses were forgotten for others: one that came again is counted again. */
  readonly forgotten: number
}

export interface PeerWithoutTicket {
  /** Of the connection, or what `addressOf` returned; `unknown` where neither says. */
  readonly address: string
  /** Since it was last forgotten. */
  readonly requests: number
  readonly firstAt: number
  readonly lastAt: number
}

/**
 * A key, without the key. What is not its kvno comes from the KDC, as a keytab has no dates: all of it is undefined for a
 * service that was loaded without `kdc`, and until a KDC has told it, which is at once when the feed connects.
 */
export interface KeyState {
  readonly kvno: number
  /**
   * `current`: the KDC seals tickets under it. `staged`: the KDC will, once the service has logged in with it. `old`: it
   * opens tickets that were sealed before.
   */
  readonly state: 'current' | 'staged' | 'old' | undefined
  /** When the KDC made it, KDC time; undefined, too, for an old key that the KDC had erased when it was asked. */
  readonly createdAt: number | undefined
  /** How long ago that is. */
  readonly age: number | undefined
}

/** What a KDC told of a key. */
export type KeyFact = Pick<KeyState, 'state' | 'createdAt'>

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
  /** What a KDC told of a key; undefined for nothing. */
  keyFact(kvno: number): KeyFact | undefined
  /** Ends it in order. */
  close(): Promise<void>
}
