import { DAY, formatTime, HOUR, MINUTE, SECOND } from '../../../shared/time.js'

/** Each line has a time or two, mostly of the same day: its date is made once. */

/** Dates that are remembered, as `2027-01-15T`, by the days since 1970. */
const dates = new Map<number, string>()
const DATES_KEPT = 64
const DATE_LENGTH = '2027-01-15T'.length
/** The first time whose year has five digits. */
const LATEST = Date.UTC(10_000, 0, 1)

const TWO_DIGITS = digits(60, 2)
const THREE_DIGITS = digits(1_000, 3)

/** As `formatTime`, at a quarter of its cost. @param time milliseconds */
export function timeText(time: number): string {
  if (!Number.isSafeInteger(time) || time < 0 || time >= LATEST) return formatTime(time)
  const day = Math.floor(time / DAY)
  const [hours, minutes] = [Math.floor(time / HOUR) % 24, Math.floor(time / MINUTE) % 60]
  const [seconds, milliseconds] = [Math.floor(time / SECOND) % 60, time % SECOND]
  return `${dateOf(day)}${TWO_DIGITS[hours]}:${TWO_DIGITS[minutes]}:${TWO_DIGITS[seconds]}.${THREE_DIGITS[milliseconds]}Z`
}

function dateOf(day: number): string {
  const known = dates.get(day)
  if (known !== undefined) return known
  if (dates.size === DATES_KEPT) dates.clear()
  const date = formatTime(day * DAY).slice(0, DATE_LENGTH)
  dates.set(day, date)
  return date
}

function digits(count: number, length: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => String(number).padStart(length, '0'))
}
