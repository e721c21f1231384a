import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { endTimeOf, renewTillOf } from '../../../kdc/issue/lifetime.js'
import { HOUR } from '../../../shared/time.js'

const NOW = 1_000_000

describe('the end of a ticket', () => {
  it.each([
    ['nothing asked, one maximum', 0, [HOUR], [], NOW + HOUR],
    ['less asked than the maximum', 5, [HOUR], [], NOW + 5],
    ['more asked than the maximum', 2 * HOUR, [HOUR], [], NOW + HOUR],
    ['the least of several maxima', 0, [HOUR, null, 7, 8], [], NOW + 7],
    ['an end before all of that', 0, [HOUR], [NOW + 9, null, NOW + 10], NOW + 9],
    ['an end that is infinite', 0, [HOUR], [Number.POSITIVE_INFINITY], NOW + HOUR],
  ])('%s', (_, lifetime, lives, ends, expected) => {
    expect(endTimeOf({ now: NOW, lifetime, lives, ends }, 0)).toBe(expected)
  })

  it('is shortened by at most 10 %, and never to nothing', () => {
    expect(endTimeOf({ now: NOW, lifetime: 0, lives: [HOUR], ends: [] }, 1)).toBe(NOW + 0.9 * HOUR)
    expect(endTimeOf({ now: NOW, lifetime: 1, lives: [HOUR], ends: [] }, 1)).toBe(NOW + 1)
  })

  it('stays a whole number up to the last one there is', () => {
    const now = Number.MAX_SAFE_INTEGER - 5
    expect(endTimeOf({ now, lifetime: Number.MAX_SAFE_INTEGER, lives: [HOUR], ends: [] }, 0)).toBe(
      Number.MAX_SAFE_INTEGER,
    )
  })

  it('never passes a limit, and is never more than a tenth short of the least', () => {
    const time = fc.nat({ max: Number.MAX_SAFE_INTEGER })
    const limits = fc.array(fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })), { maxLength: 5 })
    fc.assert(
      fc.property(
        time,
        time,
        limits,
        limits,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (now, lifetime, lives, later, shortening) => {
          fc.pre(now < Number.MAX_SAFE_INTEGER)
          const ends = later.map(ahead =>
            ahead === null ? null : Math.min(now + ahead, Number.MAX_SAFE_INTEGER),
          )
          const end = endTimeOf({ now, lifetime, lives, ends }, shortening)
          const left = [...lives, lifetime || null, ...ends.map(e => e && e - now)].filter(l => l !== null)
          const least = Math.min(Number.MAX_SAFE_INTEGER - now, ...left)
          expect(Number.isSafeInteger(end)).toBe(true)
          expect(end - now).toBeLessThanOrEqual(least)
          expect(end - now).toBeGreaterThanOrEqual(Math.min(1, least))
          expect(end - now).toBeGreaterThanOrEqual(Math.floor(least * 0.9))
        },
      ),
    )
  })
})

describe('the last time of a renewal', () => {
  it.each([
    ['the least maximum', NOW + HOUR, [null, 3 * HOUR, 2 * HOUR], NOW + 2 * HOUR],
    ['just beyond the end', NOW + HOUR, [HOUR + 1], NOW + HOUR + 1],
    ['not beyond the end', NOW + HOUR, [HOUR], null],
    ['1 ms short of the end', NOW + HOUR, [HOUR - 1], null],
    ['no maximum, so the last time there is', NOW + HOUR, [null], Number.MAX_SAFE_INTEGER],
    ['no maximum, and an end at the last time', Number.MAX_SAFE_INTEGER, [], null],
  ])('%s', (_, endTime, maxima, expected) => {
    expect(renewTillOf(NOW, endTime, maxima)).toBe(expected)
  })

  it('never passes the last time there is', () => {
    const now = Number.MAX_SAFE_INTEGER - 5
    expect(renewTillOf(now, now + 4, [HOUR])).toBe(Number.MAX_SAFE_INTEGER)
    expect(renewTillOf(now, now + 4, [5])).toBe(Number.MAX_SAFE_INTEGER)
    expect(renewTillOf(now, now + 4, [4])).toBeNull()
  })
})
