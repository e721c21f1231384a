import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Crowds } from '../../../kdc/transport/crowds.js'

/** What members and groups there are, told by looking at all of them. */
type Naive = Map<object, readonly { name: string; weight: number }[]>

function levelsOf(naive: Naive): Map<string, number> {
  const sizes = new Map<string, number>()
  const weights = new Map<string, number>()
  for (const groups of naive.values()) {
    for (const { name, weight } of groups) {
      sizes.set(name, (sizes.get(name) ?? 0) + 1)
      weights.set(name, weight)
    }
  }
  return new Map([...sizes].map(([name, size]) => [name, Math.ceil(size / (weights.get(name) ?? 1))]))
}

const WEIGHTS = [1, 2, 4]
const step = fc.record({
  adds: fc.boolean(),
  /** One group of each weight. */
  groups: fc.tuple(fc.nat(5), fc.nat(3), fc.nat(1)),
  which: fc.nat(),
})

describe('crowds', () => {
  it('know the most crowded group, and of each group the oldest member', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        const crowds = new Crowds<object>()
        const naive: Naive = new Map()
        for (const { adds, groups, which } of steps) {
          if (adds || naive.size === 0) {
            const member = {}
            const names = groups.map((name, i) => ({ name: `${i} ${name}`, weight: WEIGHTS[i] ?? 1 }))
            naive.set(member, names)
            crowds.add(member, names)
          } else {
            const [member = {}] = [...naive.keys()].slice(which % naive.size)
            naive.delete(member)
            expect(crowds.remove(member)).toBe(true)
            expect(crowds.remove(member)).toBe(false)
          }
          const levels = levelsOf(naive)
          const most = Math.max(0, ...levels.values())
          const crowded = [...levels].filter(([, level]) => level === most).map(([name]) => crowds.of(name))
          if (naive.size === 0) expect(crowds.crowd.size).toBe(0)
          else expect(crowded).toContain(crowds.crowd)
          expect(crowds.size).toBe(naive.size)
          for (const name of levels.keys()) {
            const members = [...naive].filter(([, names]) => names.some(each => each.name === name))
            expect([...crowds.of(name)]).toEqual(members.map(([member]) => member))
          }
        }
      }),
      { numRuns: 50 },
    )
  })
})
