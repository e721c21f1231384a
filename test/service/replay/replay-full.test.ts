import { describe, expect, test } from 'vitest'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import type { AdmissionRequest } from '../../../shared/accept/replay.js'
import {
  BUCKET_WIDTH,
  LEAST_BYTES,
  openCache,
  outcome,
  presenterNamed,
  request,
  START,
  TestClock,
} from './replay-setting.js'

/** The replay cache with all the entries it can hold, for a long time, and with presenters without end. */

describe('a full cache', () => {
  /** Names enough that none meets its quota. */
  const many = (i: number) => presenterNamed(i % 8)

  /** Admits `each` per 100 ms until the floor is not where the clock alone would put it. */
  function fill(cache: BoundedReplayCache, clock: TestClock, each: number): AdmissionRequest[] {
    const accepted: AdmissionRequest[] = []
    for (let i = 0; ; i++) {
      if (i % each === 0) clock.pass(100)
      const next = request(clock.wall, { presenter: many(i) })
      if (cache.admit(next).refusal !== undefined) expect.fail(`refused before the floor rose, at ${i}`)
      accepted.push(next)
      if (cache.floor > clock.wall - 60_000) return accepted
    }
  }

  test('the floor rises to the newest time of the oldest bucket, and nothing above it is forgotten', () => {
    const clock = new TestClock(START - (START % BUCKET_WIDTH))
    const begin = clock.wall
    const cache = openCache(clock)
    const accepted = fill(cache, clock, 100)
    // Stamps are 100 ms apart from begin + 100 on: the last in the bucket of the first is at begin + 500.
    expect(cache.floor).toBe(begin + 500)
    expect(cache.size).toBe(accepted.length - 500)
    expect(cache.size).toBeGreaterThan(cache.capacity)
    expect(cache.bytes).toBeLessThanOrEqual(LEAST_BYTES)
    const expected = (each: AdmissionRequest) => (each.time <= cache.floor ? 'clock_skew' : 'replay')
    expect(accepted.filter(each => outcome(cache.admit(each)) !== expected(each))).toEqual([])
  })

  test.each([0, 1_056])('the last pages, with %i bytes more, hold as many entries as presenters', more => {
    const clock = new TestClock()
    const cache = new BoundedReplayCache({ clock, maxBytes: LEAST_BYTES + more, floor: 0 })
    let i = 0
    while (cache.admit(request(START, { presenter: presenterNamed(i) })).refusal === undefined) i++
    expect(i).toBeGreaterThan(7_000)
    expect([cache.floor, cache.size]).toEqual([START, 0])
  })

  test.each([
    ['one presenter in eight', 8],
    ['each presenter once', 1_000_000],
  ])('a cache that stays full for minutes (%s) is bounded, and accepts nothing twice', (_, presenters) => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const accepted: AdmissionRequest[] = []
    let state = 1
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state % below
    }
    const refusals = new Set<string>()
    let floor = cache.floor
    for (let i = 0; i < 60_000; i++) {
      if (i % 4 === 0) clock.pass(1 + random(3))
      const next = request(clock.wall + 5_000 - random(16_000), { presenter: presenterNamed(i % presenters) })
      const admission = cache.admit(next)
      if (admission.refusal === undefined) accepted.push(next)
      else refusals.add(admission.refusal)
      if (admission.floor < floor) expect.fail(`${i}: the floor fell`)
      floor = admission.floor
      const old = accepted[accepted.length - 1 - random(Math.min(accepted.length, 20_000))]
      if (old !== undefined && cache.admit(old).refusal === undefined) expect.fail(`${i}: accepted twice`)
    }
    expect(refusals).toEqual(new Set(['clock_skew']))
    expect(cache.bytes).toBeLessThanOrEqual(LEAST_BYTES)
    expect(cache.floor).toBeGreaterThan(clock.wall - 60_000)
    expect(cache.capacity).toBeGreaterThan(0)
    expect(accepted.filter(each => cache.admit(each).refusal === undefined)).toEqual([])
  })

  test('room comes back when the pressure ends', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    fill(cache, clock, 1_000)
    clock.pass(70_000)
    expect(outcome(cache.admit(request(clock.wall)))).toBe('accepted')
    expect(cache.size).toBe(1)
    expect(cache.floor).toBe(clock.wall - 60_000)
    expect(fill(cache, clock, 1_000).length).toBeGreaterThan(cache.capacity)
  })

  test('memory grows with use: little when idle, never more than allowed', () => {
    const clock = new TestClock()
    const cache = new BoundedReplayCache({ clock, floor: 0 })
    expect(cache.bytes).toBeLessThanOrEqual(64 * 1024)
    for (let i = 0; i < 1_000; i++) {
      clock.pass(100)
      cache.admit(request(clock.wall))
    }
    expect(cache.bytes).toBeLessThanOrEqual(512 * 1024)
    let highest = 0
    for (let i = 0; i < 100_000; i++) {
      cache.admit(request(clock.wall, { presenter: many(i) }))
      highest = Math.max(highest, cache.bytes)
    }
    expect(highest / 100_000).toBeLessThanOrEqual(48)
  })

  test('presenters come and go without end, in the memory of those that have entries', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    for (let i = 0; i < 20_000; i++) {
      clock.pass(20)
      const admission = cache.admit(request(clock.wall, { presenter: presenterNamed(i) }))
      if (admission.refusal !== undefined) expect.fail(`presenter ${i}: ${admission.refusal}`)
    }
    expect(cache.floor).toBe(clock.wall - 60_000)
    expect(cache.size).toBeLessThanOrEqual(3_000 + BUCKET_WIDTH / 20 + 1)
    expect(cache.bytes).toBeLessThanOrEqual(LEAST_BYTES)
    const capacity = cache.capacity
    clock.pass(120_000)
    cache.admit(request(clock.wall))
    expect(cache.capacity).toBeGreaterThan(capacity)
  })
})
