import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecentlyUsed } from '../../shared/recently-used.js'

/** As it would be written with a list that is searched from its beginning, the most recently used last. */
class Model {
  list: { readonly name: string; readonly value: number; readonly size: number }[] = []

  readonly most: number

  constructor(most: number) {
    this.most = most
  }

  get(name: string): number | undefined {
    const found = this.list.find(each => each.name === name)
    if (found !== undefined) this.list = [...this.list.filter(each => each !== found), found]
    return found?.value
  }

  set(name: string, value: number, size: number): void {
    this.delete(name)
    if (size <= this.most) this.list.push({ name, value, size })
    while (this.list.reduce((sum, each) => sum + each.size, 0) > this.most) this.list.shift()
  }

  delete(name: string): void {
    this.list = this.list.filter(each => each.name !== name)
  }
}

describe('values within a bound', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('set' as const), name, size: fc.integer({ min: 1, max: 12 }) }),
    },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('get' as const), name }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'peek' as const), name }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('odd' as const, 'clear' as const), name }) },
  )

  it('are those that a list would have', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
        const [recent, model] = [new RecentlyUsed<string, number>(10), new Model(10)]
        for (const [i, next] of steps.entries()) {
          if (next.do === 'set') {
            recent.set(next.name, i, next.size)
            model.set(next.name, i, next.size)
          } else if (next.do === 'get') expect(recent.get(next.name)).toBe(model.get(next.name))
          else if (next.do === 'delete') {
            recent.delete(next.name)
            model.delete(next.name)
          } else if (next.do === 'clear') {
            recent.clear()
            model.list = []
          } else if (next.do === 'odd') {
            recent.deleteWhere(value => value % 2 === 1)
            model.list = model.list.filter(({ value }) => value % 2 === 0)
          }
          for (const each of ['a', 'b', 'c', 'd', 'e', 'f']) {
            expect(recent.peek(each)).toBe(model.list.find(known => known.name === each)?.value)
          }
          expect(recent.entries()).toEqual(model.list.map(({ name, value }) => [name, value]).reverse())
          expect(recent.size).toBe(model.list.length)
        }
      }),
    )
  })

  it('count as one where nothing else is said, and what was used least recently goes first', () => {
    const kept = new RecentlyUsed<string, number>(3)
    for (const [name, value] of Object.entries({ a: 1, b: 2, c: 3 })) kept.set(name, value)
    expect(kept.get('a')).toBe(1)
    kept.set('c', 4)
    kept.set('d', 5)
    expect(kept.entries()).toEqual([
      ['d', 5],
      ['c', 4],
      ['a', 1],
    ])
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('have no bound of %d', most => {
    expect(() => new RecentlyUsed(most)).toThrow(TypeError)
  })
})
