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

/** A time as people read it; one that no calendar has, which a peer may have told, as its number. */
export function formatTime(time: number): string {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time)
}

/** Milliseconds in the units that people write. */
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** A time as people write it: `90s`, `15m`, `1h`, `7d`. */
export type Duration = `${number}${'s' | 'm' | 'h' | 'd'}`

const UNIT: ReadonlyMap<string, number> = new Map([
  ['s', SECOND],
  ['m', MINUTE],
  ['h', HOUR],
  ['d', DAY],
])

/** Milliseconds, or `undefined` for what is no duration. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit = ''] = /^([1-9][0-9]{0,8})([smhd])$/.exec(text) ?? []
  const size = UNIT.get(unit)
  return count === undefined || size === undefined ? undefined : Number(count) * size
}
