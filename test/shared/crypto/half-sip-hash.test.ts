import { describe, expect, test } from 'vitest'
import { createHashKey, halfSipHash } from '../../../shared/crypto/half-sip-hash.js'

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
