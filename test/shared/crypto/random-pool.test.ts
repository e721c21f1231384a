import fc from 'fast-check'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { randomBytes } from '../../../shared/crypto/primitives.node.js'

/**
 * On Node random bytes are drawn ahead, a block at a time. What could go wrong there: bytes handed out twice, kept
 * after they were handed out, or kept so long that a copy of the machine would hand them out again.
 */

/** In place of the generator: every word that it gives is different, so a word seen twice was handed out twice. */
const generator = vi.hoisted(() => ({ words: 0, blocks: [] as Uint8Array[] }))

vi.mock('node:crypto', async importOriginal => ({
  ...(await importOriginal<typeof import('node:crypto')>()),
  randomFillSync: (block: Uint8Array) => {
    const view = new DataView(block.buffer, block.byteOffset, block.length)
    for (let at = 0; at + 4 <= block.length; at += 4) view.setUint32(at, ++generator.words)
    generator.blocks.push(block)
    return block
  },
}))

let time = 1_800_000_000_000

function pass(milliseconds: number): void {
  time += milliseconds
  vi.spyOn(Date, 'now').mockReturnValue(time)
}

/** How many blocks are drawn for this one. */
function drawnFor(length: number): number {
  const before = generator.blocks.length
  randomBytes(length)
  return generator.blocks.length - before
}

function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i))
}

beforeEach(() => {
  pass(10_000)
  generator.blocks.length = 0
})

describe('the block of random bytes', () => {
  it('is replaced once it is 100 ms old, and not before', () => {
    expect(drawnFor(16)).toBe(1)
    pass(100)
    expect(drawnFor(16)).toBe(0)
    pass(1)
    expect(drawnFor(16)).toBe(1)
  })

  it.each([-101, -3_600_000, 3_600_000])('is replaced when the clock steps by %i ms', step => {
    expect(drawnFor(16)).toBe(1)
    pass(step)
    expect(drawnFor(16)).toBe(1)
    expect(drawnFor(16)).toBe(0)
  })

  it('gives no word twice and only words that were drawn, in any order of draws and time', () => {
    const seen = new Set<number>()
    const draw = fc.record({
      words: fc.integer({ min: 0, max: 160 }),
      ms: fc.integer({ min: -60, max: 150 }),
    })
    fc.assert(
      fc.property(fc.array(draw, { maxLength: 60 }), draws => {
        for (const { words, ms } of draws) {
          pass(ms)
          for (const word of wordsOf(randomBytes(4 * words))) {
            if (word === 0 || seen.has(word)) return false
            seen.add(word)
          }
        }
        return true
      }),
      { numRuns: 50 },
    )
    expect(seen.size).toBeGreaterThan(10_000)
  })

  it('keeps nothing of what was handed out', () => {
    const handed = randomBytes(64)
    const block = generator.blocks[0] as Uint8Array
    expect(block.buffer).not.toBe(handed.buffer)
    expect(wordsOf(block.subarray(0, 64)).every(word => word === 0)).toBe(true)
    expect(wordsOf(block.subarray(64)).every(word => word > 0)).toBe(true)
  })

  it('is not used for a large draw', () => {
    randomBytes(16)
    const large = randomBytes(2_000)
    expect(generator.blocks.at(-1)?.buffer).toBe(large.buffer)
    expect(drawnFor(16)).toBe(0)
  })
})
