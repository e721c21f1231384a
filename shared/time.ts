/** Where a party reads the time; the two readings are taken together where both are needed. */
export interface Clock {
  /** Milliseconds since the Unix epoch, whole. May be stepped. */
  now(): number
  /** Milliseconds since some instant; never stepped. */
  monotonic(): number
}

/** The platform's clocks. Nothing in shared/ reads them: each party passes its clock down as values. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** Milliseconds in the units that people write. */
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
