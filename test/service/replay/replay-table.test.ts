import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ForgottenRecords } from '../../../service/replay/replay-forgotten.js'
import { PAGE_BYTES, PAGE_RECORDS, PagePool } from '../../../service/replay/replay-pages.js'
import { NONE, ReplayTable } from '../../../service/replay/replay-table.js'

/** The table under the replay cache, compared with a `Map`, and the pages that it is made of. */

const key = (name: number): Uint32Array =>
  Uint32Array.of(name & 3, (name >> 2) & 3, (name >> 4) & 3, name >> 6)

/** How keys are spread over chains: well, badly, hardly, or not at all; negative numbers are hashes too. */
const HASHES: readonly ((name: number) => number)[] = [
  name => Math.imul(name + 1, 0x9e3779b1),
  name => name & 7,
  name => -(name & 3) - 1,
  () => 0,
]

type Step =
  | { readonly do: 'insert' | 'remove' | 'set'; readonly name: number; readonly value: number }
  | { readonly do: 'clear' }

const name = fc.nat(200)
const value = fc.nat(2 ** 32 - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ do: fc.constant('insert' as const), name, value }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('remove' as const), name, value }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), name, value }) },
  { weight: 1, arbitrary: fc.constant({ do: 'clear' as const }) },
)

function isAsModel(table: ReplayTable, hash: (name: number) => number, model: Map<number, number>): void {
  for (let name = 0; name <= 200; name++) {
    const record = table.find(key(name), hash(name))
    const found = record === NONE ? undefined : table.value(record)
    if (found !== model.get(name)) expect.fail(`${name}: ${found} where ${model.get(name)} belongs`)
  }
}

/** The values of a table that is forgotten. */
function valuesOf(table: ReplayTable, pool: PagePool): number[] {
  const values: number[] = []
  const forgotten = new ForgottenRecords(pool, value => values.push(value))
  forgotten.add(table.empty())
  forgotten.tellPages(Number.POSITIVE_INFINITY)
  return values.sort((a, b) => a - b)
}

describe('a table', () => {
  test.each(HASHES.map((hash, i) => [i, hash] as const))('is as a Map, with hash %i', (_, hash) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), steps => {
        const pool = new PagePool(50)
        const table = new ReplayTable(pool)
        const model = new Map<number, number>()
        for (const next of steps) {
          if (next.do === 'clear') {
            table.clear()
            model.clear()
            continue
          }
          const record = table.find(key(next.name), hash(next.name))
          expect(record !== NONE).toBe(model.has(next.name))
          if (next.do === 'insert' && record === NONE) {
            pool.reserve(1)
            const inserted = table.insert(key(next.name), hash(next.name), next.value)
            expect(table.value(inserted)).toBe(next.value)
            model.set(next.name, next.value)
          } else if (next.do === 'remove' && record !== NONE) {
            table.remove(record)
            model.delete(next.name)
          } else if (next.do === 'set' && record !== NONE) {
            table.setValue(record, next.value)
            model.set(next.name, next.value)
          }
        }
        isAsModel(table, hash, model)
      }),
      { numRuns: 40 },
    )
  })

  test.each([0, 1, 31, 32, 33, 64, 100])(
    'of %i records leaves each value once, and takes pages for them',
    count => {
      const pool = new PagePool(50)
      const table = new ReplayTable(pool)
      for (let name = 0; name < count; name++) {
        pool.reserve(1)
        table.insert(key(name), name, 1000 + name)
      }
      expect(table.pages).toBe(Math.ceil(count / PAGE_RECORDS))
      expect(valuesOf(table, pool)).toEqual(Array.from({ length: count }, (_, name) => 1000 + name))
      expect(table.pages).toBe(0)
    },
  )

  test('leaves each value once, even if its pages lie in another slab', () => {
    const pool = new PagePool(600)
    pool.reserve(255)
    for (let page = 0; page < 255; page++) pool.take()
    const table = new ReplayTable(pool)
    for (let name = 0; name < 70; name++) {
      pool.reserve(1)
      table.insert(key(name), name, name)
    }
    expect(valuesOf(table, pool)).toEqual(Array.from({ length: 70 }, (_, name) => name))
  })

  test('fills removed places first, and so does not grow by a page', () => {
    const pool = new PagePool(3)
    const table = new ReplayTable(pool)
    pool.reserve(1)
    const records = Array.from({ length: PAGE_RECORDS }, (_, name) => table.insert(key(name), name, name))
    for (let name = 0; name < 200; name++) {
      table.remove(table.find(key(name), name))
      records.push(table.insert(key(name + PAGE_RECORDS), name + PAGE_RECORDS, 0))
    }
    expect(table.pages).toBe(1)
    expect(new Set(records).size).toBe(PAGE_RECORDS)
  })

  test('gives its pages back when it is cleared, and forgets what was removed before', () => {
    const pool = new PagePool(4)
    const table = new ReplayTable(pool)
    for (let round = 0; round < 5; round++) {
      for (let name = 0; name < 2 * PAGE_RECORDS; name++) {
        expect(pool.reserve(1)).toBe(true)
        table.insert(key(name), 0, name)
      }
      table.remove(table.find(key(round), 0))
      table.clear()
      expect(table.pages).toBe(0)
      expect(table.find(key(1), 0)).toBe(NONE)
    }
  })
})

describe('pages', () => {
  test('of a whole list go back in one step, and each is handed out once more', () => {
    const pool = new PagePool(300)
    pool.reserve(299)
    const all = Array.from({ length: 299 }, () => pool.take())
    expect(pool.freePages).toBe(0)
    pool.giveAll(all.slice(0, 200))
    pool.giveAll([])
    pool.give(all[200] as number)
    pool.giveAll(all.slice(201))
    expect(pool.freePages).toBe(299)
    const again = Array.from({ length: 299 }, () => pool.take())
    expect(again.sort((a, b) => a - b)).toEqual(all.sort((a, b) => a - b))
    expect(() => pool.take()).toThrow(TypeError)
  })

  test('are as many as allowed, one of which is never handed out', () => {
    expect(new PagePool(1).reserve(1)).toBe(false)
    for (const most of [2, 255, 256, 257, 600]) {
      const pool = new PagePool(most)
      expect(pool.bytes).toBe(0)
      const taken: number[] = []
      while (pool.reserve(1)) taken.push(pool.take())
      expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: most - 1 }, (_, i) => i + 1))
      expect(pool.bytes).toBe(most * PAGE_BYTES)
      expect(pool.reserve(0)).toBe(true)
      pool.give(taken[0] as number)
      expect(pool.reserve(1)).toBe(true)
      expect(pool.reserve(2)).toBe(false)
      expect(pool.take()).toBe(taken[0])
    }
  })

  test('come in slabs of 256, and only when they are needed', () => {
    const pool = new PagePool(1000)
    expect(pool.reserve(0)).toBe(true)
    expect(pool.bytes).toBe(0)
    expect(pool.reserve(255)).toBe(true)
    expect(pool.bytes).toBe(256 * PAGE_BYTES)
    expect(pool.reserve(255)).toBe(true)
    expect(pool.bytes).toBe(256 * PAGE_BYTES)
    expect(pool.reserve(256)).toBe(true)
    expect(pool.bytes).toBe(512 * PAGE_BYTES)
  })

  test('cannot be taken unless reserved', () => {
    expect(() => new PagePool(9).take()).toThrow(TypeError)
  })
})
