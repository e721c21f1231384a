import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame, ID_BYTES, ID_MAX } from '../../../shared/encoding/frame.js'

describe('a frame', () => {
  it('is read as it was written, whatever its id and message', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: ID_MAX }), fc.uint8Array({ maxLength: 99 }), (id, message) => {
        expect(decodeFrame(encodeFrame({ id, message }))).toEqual({ id, message })
      }),
    )
  })

  it('has its id first, big-endian', () => {
    const frame = encodeFrame({ id: 0x01020304, message: Uint8Array.of(9) })
    expect([...frame]).toEqual([1, 2, 3, 4, 9])
  })

  it('is read where it stands inside a larger buffer', () => {
    const buffer = Uint8Array.of(7, 7, 0, 0, 0, 5, 8, 9)
    expect(decodeFrame(buffer.subarray(2, 7))).toEqual({ id: 5, message: Uint8Array.of(8) })
  })

  it.each([0, 1, 2, 3])('of %d bytes is refused', length => {
    expect(decodeFrame(new Uint8Array(length))).toBeUndefined()
    expect(ID_BYTES).toBe(4)
  })
})
