import { describe, expect, it } from 'vitest'
import { recentlyUsed } from '../../shared/recently-used.js'

describe('what was used recently', () => {
  it('is kept up to its bound, and what was used least recently goes first', () => {
    const kept = recentlyUsed<string, number>(3)
    for (const [name, value] of Object.entries({ a: 1, b: 2, c: 3 })) kept.set(name, value)
    expect(kept.get('a')).toBe(1)
    kept.set('c', 4).set('d', 5)
    expect([...kept.entries()]).toEqual([
      ['d', 5],
      ['c', 4],
      ['a', 1],
    ])
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('has no bound of %d', most => {
    expect(() => recentlyUsed(most)).toThrow(TypeError)
  })
})
