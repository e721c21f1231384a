import { describe, expect, test } from 'vitest'
import { MAX_BYTES_LEAST, ReplayEntries } from '../../../service/replay/replay-entries.js'
import { ReplayFloor } from '../../../service/replay/replay-floor.js'
import { PAGE_BYTES, PAGE_RECORDS } from '../../../service/replay/replay-pages.js'

/** The two halves of the replay cache by themselves: the floor, by its clocks, and the entries, by their memory. */

const NOW = 1_800_000_000_000

/** Clocks that say what they are told. */
function clocks(wall = NOW, steady = 0) {
  const at = { wall, steady }
  return { at, clock: { now: () => at.wall, monotonic: () => at.steady } }
}

describe('the floor', () => {
  test('begins 6 s ahead or at a given time, and never beyond 2^53 - 1', () => {
    expect(new ReplayFloor(clocks().clock).time).toBe(NOW + 6_000)
    expect(new ReplayFloor(clocks().clock, 5).time).toBe(5)
    expect(new ReplayFloor(clocks().clock, 0).time).toBe(0)
    expect(new ReplayFloor(clocks().clock, 2 ** 60).time).toBe(2 ** 53 - 1)
  })

  test('rises and never falls', () => {
    const floor = new ReplayFloor(clocks().clock, 0)
    for (const [raised, expected] of [
      [5, 5],
      [4, 5],
      [2 ** 60, 2 ** 53 - 1],
    ] as const) {
      floor.raise(raised)
      expect(floor.time).toBe(expected)
    }
  })

  test.each([
    [0, -60_000],
    [1_000, -60_000],
    [1_001, 5_000],
    [-1_000, -60_000],
    [-1_001, 5_000],
    [Number.NaN, 5_000],
    [Number.POSITIVE_INFINITY, 5_000],
  ])('is at now %i after clocks moved apart by %d ms', (parted, expected) => {
    const { at, clock } = clocks()
    const floor = new ReplayFloor(clock, 0)
    at.wall += 300
    at.steady = 300 + parted
    expect(floor.step()).toBe(NOW + 300)
    expect(floor.time).toBe(NOW + 300 + expected)
    floor.step()
    expect(floor.time).toBe(NOW + 300 + expected)
  })

  test.each([
    ['newest first', [9_000, 8_000]],
    ['newest last', [8_000, 9_000]],
  ])('rises over the newest time accepted when clocks move apart: %s', (_, accepted) => {
    const { at, clock } = clocks()
    const floor = new ReplayFloor(clock, 0)
    for (const ahead of accepted) floor.accepted(NOW + ahead)
    at.steady = 5_000
    floor.step()
    expect(floor.time).toBe(NOW + 9_000)
  })

  test.each([
    [6_999, false],
    [7_000, true],
    [7_001, true],
  ])('of now + %i ms is far ahead: %s', (ahead, far) => {
    expect(new ReplayFloor(clocks().clock, NOW + ahead).isFarAhead(NOW)).toBe(far)
  })

  test.each([
    ['1 ms below it', -1, 0, true],
    ['at it', 0, 0, true],
    ['1 ms above it', 1, 0, false],
    ['5 s ahead of the clock', 6_000, 1_000, false],
    ['5 s and 1 ms ahead of the clock', 6_001, 1_000, true],
    ['long behind the clock', 1, 50_000, false],
  ])('excludes a stamp %s: %i ms from the floor, the clock %i', (_, stamp, now, excluded) => {
    expect(new ReplayFloor(clocks().clock, NOW).excludes(NOW + stamp, NOW + now)).toBe(excluded)
  })

  test.each([Number.NaN, 0.5, 2 ** 53, Number.NEGATIVE_INFINITY])(
    'is not made, and does not rise, at %d',
    wall => {
      const { at, clock } = clocks()
      const floor = new ReplayFloor(clock, 7)
      at.wall = wall
      const fault = new TypeError(`the clock gave ${wall}, not whole milliseconds`)
      expect(() => floor.step()).toThrow(fault)
      expect(floor.time).toBe(7)
      expect(() => new ReplayFloor(clock)).toThrow(fault)
    },
  )
})

describe('the entries', () => {
  const id = (number: number): Uint8Array => {
    const bytes = new Uint8Array(16)
    new DataView(bytes.buffer).setUint32(12, number)
    return bytes
  }
  const has = (entries: ReplayEntries, number: number, time: number): boolean => {
    return entries.has(entries.keyOf(id(number)), time)
  }
  /** What 32 KiB beside the pages, a page begun in each of 128 buckets and two for the next insert leave. */
  const pagesOf = (maxBytes: number): number => Math.floor((maxBytes - 32 * 1024) / PAGE_BYTES)
  const add = (
    entries: ReplayEntries,
    number: number,
    time: number,
    presenter = 'web@demo.example',
  ): void => {
    expect(entries.reserve()).toBe(true)
    entries.insert(entries.keyOf(id(number)), time, presenter)
  }

  test.each([MAX_BYTES_LEAST, MAX_BYTES_LEAST + PAGE_BYTES, 64 * 1024 * 1024])(
    'of %i bytes hold what is sure to fit, less the pages that presenters take',
    maxBytes => {
      const entries = new ReplayEntries(maxBytes)
      const capacity = (pagesOf(maxBytes) - 128 - 2) * PAGE_RECORDS
      expect([entries.capacity, entries.size, entries.bytes]).toEqual([capacity, 0, 32 * 1024])
      add(entries, 1, NOW)
      expect([entries.capacity, entries.size]).toEqual([capacity - PAGE_RECORDS, 1])
      expect(entries.bytes).toBe(32 * 1024 + 256 * PAGE_BYTES)
    },
  )

  test('are found by id in the bucket of their stamp, and count for their presenter', () => {
    const entries = new ReplayEntries(MAX_BYTES_LEAST)
    const quarter = Math.floor((entries.capacity - PAGE_RECORDS) / 4)
    for (let i = 0; i < quarter; i++) {
      expect(entries.isOverQuota('web@demo.example')).toBe(false)
      expect(has(entries, i, NOW)).toBe(false)
      add(entries, i, NOW)
      expect(has(entries, i, NOW)).toBe(true)
      expect(has(entries, i, NOW + 512)).toBe(false)
    }
    expect(entries.isOverQuota('web@demo.example')).toBe(true)
    expect(entries.isOverQuota('gate@demo.example')).toBe(false)
  })

  test('are forgotten by whole buckets, once the floor is at the last stamp of one', () => {
    const start = NOW - (NOW % 512)
    const entries = new ReplayEntries(MAX_BYTES_LEAST)
    for (const [number, time] of [start, start + 511, start + 512].entries()) add(entries, number, time)
    for (const [floor, size] of [
      [start - 1, 3],
      [start + 510, 3],
      [start + 511, 1],
      [start + 511, 1],
      [start + 1_022, 1],
      [start + 1_023, 0],
    ] as const) {
      entries.forgetUpTo(floor)
      expect(entries.size, `${floor - start}`).toBe(size)
    }
    expect(entries.capacity).toBe((pagesOf(MAX_BYTES_LEAST) - 130) * PAGE_RECORDS)
  })

  test('are dropped from the oldest bucket by its newest stamp, in whatever order they came', () => {
    // The oldest of the buckets has the last place of the 128, the next one the first.
    const start = NOW - (NOW % (512 * 128)) + 512 * 127
    const entries = new ReplayEntries(MAX_BYTES_LEAST)
    const times = [start + 600, start + 5, start + 9, start + 7, start + 1_500, start + 512]
    for (const [number, time] of times.entries()) add(entries, number, time, `p${number}`)
    expect([entries.dropOldest(), entries.size]).toEqual([start + 9, 3])
    expect(has(entries, 1, start + 5)).toBe(false)
    expect(has(entries, 0, start + 600)).toBe(true)
    expect([entries.dropOldest(), entries.size]).toEqual([start + 600, 1])
    expect([entries.dropOldest(), entries.size]).toEqual([start + 1_500, 0])
    expect(() => entries.dropOldest()).toThrow(new TypeError('nothing to drop'))
    add(entries, 9, start + 1_501)
    expect([entries.dropOldest(), entries.size]).toEqual([start + 1_501, 0])
  })

  test('leave no trace of presenters that have none left', () => {
    const start = NOW - (NOW % 512)
    const entries = new ReplayEntries(MAX_BYTES_LEAST)
    for (let i = 0; i < 40; i++) add(entries, i, start, `early${i}`)
    add(entries, 40, start + 512, 'late')
    const { capacity } = entries
    entries.forgetUpTo(start + 511)
    for (let i = 0; i < 40; i++) add(entries, 100 + i, start + 512, `next${i}`)
    expect(entries.capacity).toBe(capacity)
    expect(entries.size).toBe(41)
  })

  test('take 1,056 bytes a page', () => {
    expect(PAGE_BYTES).toBe(PAGE_RECORDS * 32 + 32)
  })
})
