/** Times in words, as numbers that can be compared at a glance. */

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** A length of time by its largest unit, as `3 d`, `20 min` or `45 s`. @param milliseconds below 0 counts as 0 */
export function durationWords(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => milliseconds >= size) ?? UNITS[3]
  return `${Math.max(0, Math.floor(milliseconds / size))} ${unit}`
}

/** How long ago that was. @param at and now, milliseconds */
export function ageWords(at: number, now: number): string {
  return now - at < 1_000 ? 'now' : `${durationWords(now - at)} ago`
}

/** How long until then. */
export function untilWords(at: number, now: number): string {
  return at <= now ? 'over' : `in ${durationWords(at - now)}`
}

/** As `2026-11-28 06:05:37`, in UTC. @param at milliseconds; one that no calendar has is written as a number */
export function timeWords(at: number): string {
  if (!Number.isFinite(at) || Math.abs(at) > 8.64e15) return String(at)
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ')
}
