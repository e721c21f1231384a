/** What a service reports of the log of revocations that it follows, and of its own keys. */

/** The service has everything that is in the KDC's log of what is revoked, and follows it from now on. */
export interface FeedConnectedEvent {
  readonly kind: 'feed_connected'
  /** How many revocations are held. */
  readonly revocations: number
}

/** The channel to the KDC ended, or none could be opened. Another attempt follows. */
export interface FeedBrokenEvent {
  readonly kind: 'feed_ended' | 'feed_failed'
  readonly err: unknown
}

/** A request was refused because no KDC has confirmed the revocations for too long. Told once until one does. */
export interface FeedStaleEvent {
  readonly kind: 'feed_stale'
  /** Milliseconds since the last question that a KDC answered; undefined if none was. */
  readonly age: number | undefined
}

/** So many revocations are held that half of the memory for them is used, or all of it, and then nothing is accepted. */
export interface FeedSizeEvent {
  readonly kind: 'feed_half_full' | 'feed_full'
  readonly revocations: number
}

/** Of several KDCs, another one is followed, and its log is not the one that was followed before. */
export interface FeedLogChangedEvent {
  readonly kind: 'feed_log_changed'
}

/** What the last end saved cannot be used, or this end's cannot be written. The next start waits for a KDC. */
export interface FeedFileEvent {
  readonly kind: 'feed_not_loaded' | 'feed_not_saved'
  readonly err: unknown
}

/** Keys of this service were revoked. Tickets under them are refused from now on. */
export interface KeyRevokedEvent {
  readonly kind: 'key_revoked'
  readonly kvnos: readonly number[]
  /** The kvnos of the keys that are left. */
  readonly left: readonly number[]
}

/** Revoked keys are still in the keytab, where a later start finds them: told at each start, until somebody removes them. */
export interface KeyNotDroppedEvent {
  readonly kind: 'key_not_dropped'
  readonly err: unknown
}

/** A ticket came under a newer key than this process has, and the keytab could not be read again. */
export interface KeytabNotReadEvent {
  readonly kind: 'keytab_not_read'
  readonly err: unknown
}

/** Another process of this machine serves under a new key of this service, so that tickets under it are refused here. */
export interface KeyNotLockedEvent {
  readonly kind: 'key_not_locked'
  readonly kvno: number
  readonly err: unknown
}
