import { describe, expect, it } from 'vitest'
import { Rounds } from '../../../kdc/transport/rounds.js'
import { SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'

const INTERVAL = 30 * SECOND

interface Look {
  readonly at: number
  readonly members: readonly number[]
}

function scene(interval = INTERVAL) {
  const clock = new TestClock()
  const rounds = new Rounds<number>(interval)
  const looks: Look[] = []
  const start = clock.monotonic()
  const stop = rounds.start(clock, members => void looks.push({ at: clock.monotonic() - start, members }))
  const timesOf = (member: number): number[] =>
    looks.filter(({ members }) => members.includes(member)).map(({ at }) => at)
  return { clock, rounds, looks, stop, timesOf }
}

describe('rounds', () => {
  it('look at each of 10,000 once in an interval, and at no more than a hundredth of them in one turn', () => {
    const { clock, rounds, looks } = scene()
    for (let i = 0; i < 10_000; i++) rounds.add(i)
    // The round that had begun is over after the first.
    clock.advance(INTERVAL)
    for (let round = 0; round < 2; round++) {
      looks.length = 0
      clock.advance(INTERVAL)
      expect(new Set(looks.flatMap(({ members }) => members)).size).toBe(10_000)
      expect(looks.reduce((sum, { members }) => sum + members.length, 0)).toBe(10_000)
      expect(Math.max(...looks.map(({ members }) => members.length))).toBeLessThanOrEqual(100)
    }
  })

  it('look at a member an interval after the last look, whoever else comes and goes', () => {
    const { clock, rounds, timesOf } = scene()
    const leave = Array.from({ length: 1_000 }, (_, i) => rounds.add(i))
    rounds.add(1_000)
    clock.advance(3 * INTERVAL)
    const [first = 0] = timesOf(1_000)
    for (const each of leave) each()
    clock.advance(INTERVAL)
    for (let i = 0; i < 1_000; i++) rounds.add(2_000 + i)
    clock.advance(INTERVAL)
    expect(timesOf(1_000)).toEqual([0, 1, 2, 3].map(round => first + round * INTERVAL))
    expect(rounds.size).toBe(1_001)
    expect(rounds.members).toContain(1_000)
  })

  it('stay spread when those of one place are all that is left', () => {
    const { clock, rounds, looks } = scene()
    const leave = Array.from({ length: 1_200 }, (_, i) => rounds.add(i))
    for (const [i, each] of leave.entries()) if (i % 120 !== 7) each()
    for (let i = 0; i < 1_190; i++) rounds.add(2_000 + i)
    clock.advance(2 * INTERVAL)
    expect(Math.max(...looks.map(({ members }) => members.length))).toBe(10)
  })

  it('begin once in an interval if there is no member, and in one turn if the interval is short', () => {
    const none = scene()
    none.clock.advance(10 * INTERVAL)
    expect(none.looks.map(({ at }) => at)).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) * INTERVAL))
    const short = scene(50)
    for (let i = 0; i < 100; i++) short.rounds.add(i)
    short.clock.advance(50)
    expect(short.looks.map(({ members }) => members.length)).toEqual([100])
  })

  it('end when they are told, even in the middle of a look', () => {
    const { clock, rounds, looks, stop } = scene()
    rounds.add(1)
    stop()
    clock.advance(INTERVAL)
    expect(looks).toEqual([])
    let count = 0
    const end = rounds.start(clock, () => {
      count += 1
      end()
    })
    clock.advance(3 * INTERVAL)
    expect(count).toBe(1)
    expect(clock.timers.all).toBe(0)
  })
})
