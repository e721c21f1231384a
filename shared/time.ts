/** Where a party reads the time. Where both readings are needed, they are taken together. */
export interface Clock {
  /** Milliseconds since the Unix epoch, whole. May be stepped. */
  now(): number
  /** Milliseconds since some fixed instant. Never stepped. */
  monotonic(): number
}

/** Both readings of a clock at one moment, milliseconds. */
export interface Reading {
  readonly wall: number
  readonly monotonic: number
}

export function nowBy(clock: Clock): Reading {
  return { wall: clock.now(), monotonic: clock.monotonic() }
}

/** The platform's clocks. Nothing in shared/ reads them: each party passes times down as values. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** A time as people read it. A number outside the calendar, which a peer may have sent, is shown as a number. */
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

/** Milliseconds, or `undefined` if the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit = ''] = /^([1-9][0-9]{0,8})([smhd])$/.exec(text) ?? []
  const size = UNIT.get(unit)
  return count === undefined || size === undefined ? undefined : Number(count) * size
}

/** Units in which a duration is printed. */
const PRINTED = [
  ['d', DAY],
  ['h', HOUR],
  ['min', MINUTE],
] as const

/** Milliseconds for people, in the largest unit of which there are at least two. */
export function formatDuration(milliseconds: number): string {
  const [unit, size] = PRINTED.find(([, size]) => milliseconds >= 2 * size) ?? ['s', SECOND]
  return `${Math.floor(milliseconds / size)} ${unit}`
}
