import { describe, expect, test } from 'vitest'
import { NameHash } from '../../../service/replay/replay-hash.js'

describe('what stands for a name', () => {
  const name = (length: number): string => 'abcdefghijklmnopqrstuvwxyz0123456789'.slice(0, length)
  const long = (length: number): string => 'n'.repeat(length)

  test('is the same for a name whatever came before it, and ends with its length', () => {
    const names = new NameHash()
    const seen = new Map<string, number[]>()
    for (let round = 0; round < 2; round++) {
      for (const each of [
        long(381),
        ...Array.from({ length: 36 }, (_, i) => name(36 - i)),
        name(36),
        name(1),
      ]) {
        const words = [...names.of(each)]
        expect(words.slice(2)).toEqual([each.length, 0])
        expect(seen.get(each) ?? words).toEqual(words)
        seen.set(each, words)
      }
    }
    const places = [...seen.values()].map(([first, second]) => `${first} ${second}`)
    expect(new Set(places).size).toBe(seen.size)
    for (const [first, second] of seen.values()) expect(first).not.toBe(second)
  })

  test('differs with every character of the longest name', () => {
    const names = new NameHash()
    const whole = [...names.of(long(381))]
    for (let at = 0; at < 381; at++) {
      const other = [...names.of(`${long(at)}m${long(380 - at)}`)]
      expect(other.slice(0, 2)).not.toEqual(whole.slice(0, 2))
    }
    expect([...names.of(long(381))]).toEqual(whole)
  })

  test('differs from process to process', () => {
    expect([...new NameHash().of('web')].slice(0, 2)).not.toEqual([...new NameHash().of('web')].slice(0, 2))
  })
})
