import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CountSketch } from '../../../kdc/limits/count-sketch.js'
import { COUNTERS, DEFAULT_LIMITS, type Rate } from '../../../kdc/limits/defaults.js'
import { FailedLogins } from '../../../kdc/limits/failed-logins.js'
import { KnownPlaces } from '../../../kdc/limits/known-places.js'
import { NetworkCounts } from '../../../kdc/limits/network-counts.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { local } from '../../support/realm.js'

/** How many names the properties count. */
const NAMES = 30
const RATE: Rate = { points: 6, interval: MINUTE }

function sketchOf(rate: Rate, counters: number, monotonic: () => number = () => 0): CountSketch {
  return new CountSketch(rate, { counters, monotonic, random: systemRandom })
}

/** The same counts without a bound on memory: for each name, when its count will have drained. */
class Exact {
  readonly #drained = new Map<string, number>()

  left(name: string, now: number): number {
    const drainTime = RATE.interval / RATE.points
    const left = (this.#drained.get(name) ?? 0) - now - RATE.interval + drainTime
    return Math.max(0, left)
  }

  count(name: string, now: number): void {
    const begins = Math.max(this.#drained.get(name) ?? 0, now)
    const drainTime = RATE.interval / RATE.points
    this.#drained.set(name, Math.min(begins + drainTime, now + RATE.interval))
  }
}

/** How many counts a name takes until it is over its rate. */
function countsOf(sketch: CountSketch, name: string, most: number): number {
  for (let i = 0; i < most; i++) if (sketch.count(name) > 0) return i
  return most
}

/** Some names are counted far more often than others, so that a counter which is lowered shows. */
const often = fc.integer({ min: 0, max: 2 })
const seldom = fc.integer({ min: 3, max: NAMES - 1 })
const steps = fc.array(
  fc.record({ name: fc.oneof(often, seldom), passed: fc.integer({ min: 0, max: 2 * SECOND }) }),
  { maxLength: 300, size: 'max' },
)

describe('counts in memory of a fixed size', () => {
  it('are never too low, however few counters the names share', () => {
    fc.assert(
      fc.property(steps, taken => {
        let now = 0
        const sketch = sketchOf(RATE, 4, () => now)
        const exact = new Exact()
        for (const { name, passed } of taken) {
          now += passed
          sketch.count(`n${name}`)
          exact.count(`n${name}`, now)
          for (let other = 0; other < NAMES; other++) {
            const least = exact.left(`n${other}`, now)
            if (least > 1) expect(sketch.left(`n${other}`)).toBeGreaterThanOrEqual(least - 1)
          }
        }
      }),
    )
  })

  it('are exact where names share no counters', () => {
    fc.assert(
      fc.property(steps, taken => {
        let now = 0
        const sketch = sketchOf(RATE, 2 ** 12, () => now)
        const exact = new Exact()
        for (const { name, passed } of taken) {
          now += passed
          expect(Math.abs(sketch.count(`n${name}`) - exact.left(`n${name}`, now))).toBeLessThan(1)
          exact.count(`n${name}`, now)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('drain by one point at a time, and wholly in one interval', () => {
    let now = 0
    const sketch = sketchOf(RATE, 16, () => now)
    for (let i = 0; i < 10; i++) sketch.count('web')
    expect(sketch.left('web')).toBe(10 * SECOND)
    now += 10 * SECOND
    expect(sketch.left('web')).toBe(0)
    sketch.count('web')
    expect(sketch.left('web')).toBe(10 * SECOND)
    now += MINUTE
    expect(countsOf(sketch, 'web', 100)).toBe(RATE.points)
  })

  it('have a multiple of the points for a name with a larger share', () => {
    const sketch = sketchOf(RATE, 16)
    for (let i = 0; i < RATE.points * 4; i++) expect(sketch.count('a site', 4)).toBe(0)
    expect(sketch.left('a site', 4)).toBe(RATE.interval / RATE.points / 4)
  })

  it.each([0, 1, 7, 3_000])('let %d through at once, and not one more or less', points => {
    expect(countsOf(sketchOf({ points, interval: MINUTE }, 16), 'web', 10_000)).toBe(points)
  })

  it('of names of any length and characters are apart', () => {
    const sketch = sketchOf(RATE, 2 ** 12)
    for (const name of ['', 'x'.repeat(10_000), `${'x'.repeat(10_000)}y`, 'é', 'web', 'we', 'web1']) {
      expect(countsOf(sketch, name, 100)).toBe(RATE.points)
    }
  })
})

describe('a flood of made-up names', () => {
  it('of a million leaves a name that nobody guessed at nearly all its points', () => {
    const sketch = sketchOf(DEFAULT_LIMITS.failedLoginsPerName, COUNTERS.NAMES)
    for (let i = 0; i < 1_000_000; i++) sketch.count(`n${i}@demo.example`)
    const { points } = DEFAULT_LIMITS.failedLoginsPerName
    for (let i = 0; i < 100; i++) {
      expect(countsOf(sketch, `other${i}@demo.example`, points)).toBeGreaterThan(points - 10)
    }
  })

  it('that fills all the counts a process can fill in a minute makes few others look full', () => {
    const { failedLogins } = DEFAULT_LIMITS
    const sketch = sketchOf(failedLogins, COUNTERS.PAIRS)
    const filled = (20_000 * 60) / failedLogins.points
    for (let i = 0; i < filled; i++) {
      for (let n = 0; n < failedLogins.points; n++) sketch.count(`198.51.100.1 n${i}@demo.example`)
    }
    let full = 0
    for (let i = 0; i < 100_000; i++) if (sketch.left(`192.0.2.1 other${i}@demo.example`) > 0) full++
    // 3 in 10,000 is what defaults.ts says.
    expect(full).toBeLessThan(60)
    expect(sketch.left('198.51.100.1 n7@demo.example')).toBeGreaterThan(0)
  })

  it('takes a memory of one size, and no more', () => {
    const failed = new FailedLogins(DEFAULT_LIMITS, () => 0, systemRandom)
    const before = failed.bytes
    expect(before).toBe(19.5 * 2 ** 20)
    for (let i = 0; i < 10_000; i++) failed.count(`10.0.${i >> 8}.${i & 255}`, local(`n${i}`))
    expect(failed.bytes).toBe(before)
  })

  it('makes the KDC forget neither a name nor an address that is over its limit', () => {
    const few = { points: 3, interval: HOUR }
    const limits = { failedLogins: few, failedLoginsPerAddress: few, failedLoginsPerName: few }
    const failed = new FailedLogins(limits, () => 0, systemRandom)
    const params = new NetworkCounts(few, {
      counters: COUNTERS.NETWORKS,
      monotonic: () => 0,
      random: systemRandom,
    })
    for (let i = 0; i < 3; i++) {
      failed.count('192.0.2.1', local('ann'))
      params.count('192.0.2.1')
    }
    for (let i = 0; i < 60_000; i++) {
      const address = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`
      failed.count(address, local(`n${i}`))
      params.count(address)
    }
    expect(failed.refusalOf('192.0.2.1', local('ann'))?.what).toBe('as ann@demo.example from 192.0.2.1')
    expect(failed.refusalOf('192.0.2.2', local('ann'))?.what).toBe('as ann@demo.example')
    expect(failed.refusalOf('192.0.2.1', local('bob'))?.what).toBe('from 192.0.2.1')
    expect(failed.refusalOf('192.0.2.2', local('bob'))).toBeUndefined()
    expect(params.reached('192.0.2.1')?.what).toBe('from 192.0.2.1')
    expect(params.reached('192.0.2.2')).toBeUndefined()
  })
})

describe('the places where a password was right', () => {
  it('are those used last, a few of each name, whatever others use', () => {
    const places = new KnownPlaces()
    places.add('192.0.2.1', local('ann'))
    for (let i = 0; i < 20_000; i++) places.add(`10.0.${i >> 8}.${i & 255}`, local('eve'))
    expect(places.has('192.0.2.1', local('ann'))).toBe(true)
    expect(places.has('10.0.0.0', local('eve'))).toBe(false)
    for (let i = 0; i < 7; i++) places.add(`192.0.2.${i + 2}`, local('ann'))
    places.add('192.0.2.1', local('ann'))
    places.add('192.0.2.9', local('ann'))
    expect(places.has('192.0.2.1', local('ann'))).toBe(true)
    expect(places.has('192.0.2.2', local('ann'))).toBe(false)
  })
})
