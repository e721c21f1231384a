import { describe, expect, test } from 'vitest'
import { createHashKey, halfSipHash, NameHash } from '../../../service/replay/replay-hash.js'

/** The hash that places entries of the replay cache, and the one that stands for presenters' names. */

describe('the hash that places entries', () => {
  // The published vectors of HalfSipHash-1-3 (the Linux kernel's), of the bytes 0, 1, 2 ... in whole words.
  test.each([
    [0, 0x5814c896],
    [1, 0x7e059ea6],
    [2, 0x577999b1],
    [3, 0x6b28096c],
    [4, 0x8b31d501],
    [8, 0xbc6dda8d],
    [15, 0x88b4c4cc],
  ])('is HalfSipHash-1-3, of %i words', (count, expected) => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i)
    const key = Int32Array.of(0x03020100, 0x07060504)
    expect(halfSipHash(key, new Uint32Array(bytes.buffer), count) >>> 0).toBe(expected)
  })

  test('spreads ids that share all but a few bits like others, and differently in each process', () => {
    const ids = Array.from({ length: 4_096 }, (_, i) => Uint32Array.of(i << 20, 0, 0, i >>> 12))
    const [key, other] = [createHashKey(), createHashKey()]
    const chains = new Uint32Array(1_024)
    let same = 0
    for (const id of ids) {
      const chain = halfSipHash(key, id, 4) & 1_023
      chains[chain] = (chains[chain] as number) + 1
      if (chain === (halfSipHash(other, id, 4) & 1_023)) same++
    }
    // Four on average; at random a chain of 24 comes once in some ten million tables.
    expect(Math.max(...chains)).toBeLessThan(24)
    expect(same).toBeLessThan(64)
  })
})

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
