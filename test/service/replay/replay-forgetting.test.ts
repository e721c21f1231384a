import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import { ForgottenRecords } from '../../../service/replay/replay-forgotten.js'
import { PAGE_RECORDS, PagePool } from '../../../service/replay/replay-pages.js'
import { ReplayTable } from '../../../service/replay/replay-table.js'
import type { AdmissionRequest } from '../../../shared/accept/replay.js'
import {
  BUCKET_WIDTH,
  fillQuota,
  LEAST_BYTES,
  outcome,
  presenterNamed,
  request,
  START,
  TestClock,
} from './replay-setting.js'

/**
 * However many entries are forgotten at once, no step does much more than another. Work is counted, not timed: each access
 * to a record, and each page that is taken or given back.
 */

const METHODS = ['slabOf', 'take', 'give', 'giveAll'] as const

let work = 0
const own = METHODS.map(name => [name, PagePool.prototype[name]] as const)

beforeEach(() => {
  for (const [name, method] of own) {
    Object.defineProperty(PagePool.prototype, name, {
      configurable: true,
      writable: true,
      value(this: PagePool, ...given: unknown[]): unknown {
        work++
        return Reflect.apply(method, this, given)
      },
    })
  }
})

afterEach(() => {
  for (const [name, value] of own)
    Object.defineProperty(PagePool.prototype, name, { configurable: true, writable: true, value })
})

/** A page is gone over in a few accesses for each of its records. */
const PER_PAGE = 10 * PAGE_RECORDS
/** An insertion, some pages, and what is done for each bucket. */
const STEP_MOST = 4 * PER_PAGE + 2 * PER_PAGE + 200
/** The same, where a presenter's share depends on it. */
const SHARE_MOST = 512 * PER_PAGE + STEP_MOST

/** As many as take some hundred steps to go over. */
const ENTRIES = 30_000

class Forgetting {
  readonly clock = new TestClock(START - (START % BUCKET_WIDTH))
  readonly cache: BoundedReplayCache
  most = 0

  constructor(maxBytes = 64 * 1024 * 1024) {
    this.cache = new BoundedReplayCache({ clock: this.clock, maxBytes, floor: 0 })
  }

  /** Admits it, and notes the most work of a step. */
  admit(next: AdmissionRequest): string {
    work = 0
    const decided = outcome(this.cache.admit(next))
    this.most = Math.max(this.most, work)
    return decided
  }

  /** So many requests that are stamped now, each by the next of so many presenters. */
  fill(count: number, presenters = 8): void {
    const stamp = this.clock.wall
    for (let i = 0; i < count; i++) {
      const decided = this.admit(request(stamp, { presenter: presenterNamed(i % presenters) }))
      if (decided !== 'accepted') expect.fail(`${i}: ${decided}`)
    }
  }

  /** Lets everything be forgotten that was admitted more than a bucket before this moment. */
  age(): void {
    this.clock.pass(60_000 - BUCKET_WIDTH)
    this.most = 0
  }
}

describe('forgetting very many entries at once', () => {
  test.each([8, 20_000])('of %i presenters no step does much, and all is gone over soon', presenters => {
    const scene = new Forgetting()
    scene.fill(ENTRIES, presenters)
    scene.clock.pass(2 * BUCKET_WIDTH)
    scene.fill(10)
    scene.age()
    const { bytes } = scene.cache
    scene.fill(1)
    expect(scene.cache.size).toBe(11)
    const steps = Math.ceil(ENTRIES / PAGE_RECORDS / 4)
    scene.fill(steps)
    expect(scene.most).toBeLessThanOrEqual(STEP_MOST)
    expect(scene.cache.bytes).toBe(bytes)
    // Nothing is left to go over: a step does what one does in a cache that never forgot.
    scene.most = 0
    scene.fill(100)
    expect(scene.most).toBeLessThanOrEqual(PER_PAGE)
  })

  test('where nothing else is left, no page is gone over at all', () => {
    const scene = new Forgetting()
    scene.fill(ENTRIES, 20_000)
    scene.clock.pass(2 * BUCKET_WIDTH)
    scene.age()
    scene.fill(1)
    expect([scene.cache.size, scene.most < 50]).toEqual([1, true])
    // One that was not gone over to the end is dropped as well.
    scene.fill(ENTRIES)
    scene.clock.pass(2 * BUCKET_WIDTH)
    scene.fill(10)
    scene.age()
    scene.fill(1)
    scene.clock.pass(70_000)
    scene.most = 0
    scene.fill(1)
    expect([scene.cache.size, scene.most < 200]).toEqual([1, true])
    scene.fill(100)
    expect(scene.most).toBeLessThanOrEqual(200)
  })

  test('for want of memory, one step drops a bucket without going over it, and new entries have room', () => {
    const scene = new Forgetting(2 * LEAST_BYTES)
    for (let i = 0; scene.cache.floor <= scene.clock.wall - 60_000; i++) {
      if (i % 10_000 === 0) scene.clock.pass(BUCKET_WIDTH)
      scene.admit(request(scene.clock.wall, { presenter: presenterNamed(i % 8) }))
    }
    expect(scene.cache.size).toBeGreaterThan(15_000)
    expect(scene.most).toBeLessThanOrEqual(STEP_MOST)
    const { floor } = scene.cache
    scene.fill(9_000)
    expect(scene.cache.floor).toBe(floor)
    expect(scene.cache.bytes).toBeLessThanOrEqual(2 * LEAST_BYTES)
    expect(scene.most).toBeLessThanOrEqual(STEP_MOST)
  })

  test('memory that is needed is taken from what was forgotten, before the cache grows or drops anything', () => {
    const scene = new Forgetting(2 * LEAST_BYTES)
    scene.fill(20_000)
    scene.clock.pass(2 * BUCKET_WIDTH)
    scene.fill(10)
    scene.age()
    const { bytes } = scene.cache
    scene.fill(18_000)
    expect([scene.cache.floor, scene.cache.bytes]).toEqual([scene.clock.wall - 60_000, bytes])
    expect(scene.most).toBeLessThanOrEqual(STEP_MOST)
  })

  test('a presenter that asks later has its share back, as the requests of others went over everything', () => {
    const scene = new Forgetting(2 * LEAST_BYTES)
    const greedy = presenterNamed('greedy')
    fillQuota(scene.cache, scene.clock, greedy)
    const forgotten = scene.cache.size
    scene.clock.pass(2 * BUCKET_WIDTH)
    scene.fill(10)
    scene.age()
    scene.fill(Math.ceil(forgotten / PAGE_RECORDS / 4))
    scene.most = 0
    expect(scene.admit(request(scene.clock.wall, { presenter: greedy }))).toBe('accepted')
    expect(scene.most).toBeLessThanOrEqual(PER_PAGE)
  })

  test('a presenter has its share back after a few requests, each of bounded work', () => {
    const scene = new Forgetting(8 * LEAST_BYTES)
    const greedy = presenterNamed('greedy')
    fillQuota(scene.cache, scene.clock, greedy)
    // Gone over first, as they came last.
    scene.fill(60_000, 4)
    scene.clock.pass(2 * BUCKET_WIDTH)
    scene.fill(10)
    scene.age()
    const decided: string[] = []
    do decided.push(scene.admit(request(scene.clock.wall, { presenter: greedy })))
    while (decided.at(-1) !== 'accepted')
    expect(decided).toEqual(['rate_limited', 'rate_limited', 'rate_limited', 'accepted'])
    expect(scene.most).toBeLessThanOrEqual(SHARE_MOST)
    // All of it, once everything is gone over.
    scene.fill(1_000, 4)
    const before = scene.cache.size
    fillQuota(scene.cache, scene.clock, greedy)
    expect(scene.cache.size - before + 1).toBe(Math.floor(scene.cache.capacity / 4))
  })
})

describe('records that were forgotten', () => {
  const table = fc.record({ records: fc.nat(200), pagesTold: fc.nat(9), isDropped: fc.boolean() })

  test('are each told once, or dropped, and all pages go back', () => {
    fc.assert(
      fc.property(fc.array(table, { maxLength: 12 }), tables => {
        const pool = new PagePool(100)
        const told: number[] = []
        const forgotten = new ForgottenRecords(pool, value => told.push(value))
        let [next, waiting] = [0, new Set<number>()]
        for (const { records, pagesTold, isDropped } of tables) {
          const filled = new ReplayTable(pool)
          for (let i = 0; i < records && (pool.freePages > 0 || pool.reserve(1)); i++) {
            filled.insert(Uint32Array.of(next, 0, 0, 0), next, next)
            waiting.add(next++)
          }
          forgotten.add(filled.empty())
          expect(filled.pages).toBe(0)
          const before = told.length
          forgotten.tellPages(pagesTold)
          expect(told.length - before).toBeLessThanOrEqual(pagesTold * PAGE_RECORDS)
          for (const value of told.slice(before)) expect(waiting.delete(value)).toBe(true)
          if (isDropped) {
            forgotten.drop()
            waiting = new Set()
          }
          expect(forgotten.isEmpty).toBe(waiting.size === 0)
        }
        forgotten.tellPages(Number.POSITIVE_INFINITY)
        for (const value of told.slice(-waiting.size || told.length)) waiting.delete(value)
        expect([waiting.size, forgotten.isEmpty]).toEqual([0, true])
        const pages = pool.freePages
        expect(pool.reserve(99)).toBe(true)
        expect(pages === 0 || pages === 99).toBe(true)
      }),
      { numRuns: 40 },
    )
  })
})
