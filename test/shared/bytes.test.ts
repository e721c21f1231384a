import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateBriefly, concatBytes, latin1Text, plainBytes, toHex } from '../../shared/bytes.js'

/** Bytes joined, viewed plainly and written as text, and the memory that messages share. */

describe('memory for a message', () => {
  it('is zeroed, and used by one message at a time', () => {
    const lengths = [0, 1, 7, 100, 1_999, 2_048, 2_049, 5_000]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...lengths), { maxLength: 60 }), wanted => {
        const pieces = wanted.map((length, i) => {
          const piece = allocateBriefly(length)
          expect([piece.length, piece.every(byte => byte === 0)]).toEqual([length, true])
          return piece.fill(i + 1)
        })
        expect(pieces.every((piece, i) => piece.every(byte => byte === i + 1))).toBe(true)
      }),
    )
  })

  it('is shared by messages of at most 2 KiB, eight of which just fit, and by no larger one', () => {
    const owners = new Map<ArrayBufferLike, number>()
    for (let i = 0; i < 24; i++) {
      const { buffer } = allocateBriefly(2_048)
      owners.set(buffer, (owners.get(buffer) ?? 0) + 1)
    }
    const [, second] = [...owners.values()]
    expect(second).toBe(8)
    expect(allocateBriefly(2_049).buffer.byteLength).toBe(2_049)
  })
})

describe('bytes', () => {
  it('are joined in order', () => {
    expect(concatBytes()).toEqual(new Uint8Array())
    expect(concatBytes(Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3))).toEqual(
      Uint8Array.of(1, 2, 3),
    )
  })

  it('are a plain Uint8Array, even as a view of a Buffer', () => {
    const bytes = Uint8Array.of(1, 2)
    expect(plainBytes(bytes)).toBe(bytes)
    const buffer = Buffer.from([0, 1, 2, 3]).subarray(1, 3)
    const plain = plainBytes(buffer)
    expect(plain).toEqual(bytes)
    expect(plain.constructor).toBe(Uint8Array)
    expect(plain.buffer).toBe(buffer.buffer)
  })

  it('are written as one character or two digits each', () => {
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    expect(toHex(every)).toBe(Buffer.from(every).toString('hex'))
    expect(latin1Text(every)).toBe(Buffer.from(every).toString('latin1'))
    expect([toHex(new Uint8Array()), latin1Text(new Uint8Array())]).toEqual(['', ''])
  })
})
