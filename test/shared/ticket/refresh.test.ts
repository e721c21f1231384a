import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ageAtRefresh, lifeThatLeaves } from '../../../shared/ticket/refresh.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'

describe('a ticket in use', () => {
  it.each([
    [HOUR, 48 * MINUTE],
    [10 * HOUR, 8 * HOUR],
    [24 * HOUR, 8 * HOUR],
    [32 * HOUR, 8 * HOUR],
    [40 * HOUR, 10 * HOUR],
  ])('of %d ms is replaced after %d', (life, age) => {
    expect(ageAtRefresh(life)).toBe(age)
  })

  it('has what its life was made for when it is replaced, and no life is made longer than that takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: MINUTE, max: 90 * DAY }), left => {
        const life = lifeThatLeaves(left)
        expect(life - ageAtRefresh(life)).toBeGreaterThan(left - 1)
        expect(life - ageAtRefresh(life)).toBeLessThan(left + 1)
      }),
    )
  })
})
