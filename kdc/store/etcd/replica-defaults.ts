import { SECOND } from '../../../shared/time.js'

/** Tuning: how KDCs that share a store know that they have seen all changes, milliseconds. */
export const REPLICA = {
  /** How long a KDC's place among the others is kept for it, in whole seconds: no less than etcd allows. */
  LEASE: 2,
  KEEP_EVERY: SECOND / 2,
  CONFIRM_EVERY: SECOND / 4,
  /** How old its last confirmation may be while it answers from memory. */
  CURRENT_FOR: SECOND,
  /** How long after a KDC lost its place it is taken to answer from what it had. Its clock may be the slower one. */
  GONE_FOR: 1.5 * SECOND,
  /**
   * How long a KDC may take to apply a change before it loses its place. It would answer nothing a moment later in any
   * case; and with `GONE_FOR` this is how long a change can wait for a KDC that stands still.
   */
  APPLY_WITHIN: 0.8 * SECOND,
  /** How long an acknowledgement may take before its administrator is told that it is not known. */
  SETTLE_WITHIN: 5 * SECOND,
  /** Confirmations that are on their way at a time: a store that is slow is asked no faster for it. */
  CONFIRMATIONS: 8,
  /** How long a KDC waits before it tries again to get a place, up to which it doubles the time. */
  JOIN_AGAIN: { LEAST: SECOND / 20, MOST: SECOND },
  /** How long an orderly end may take. */
  LEAVE_WITHIN: SECOND,
} as const
