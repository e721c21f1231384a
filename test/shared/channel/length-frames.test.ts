import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, toHex } from '../../../shared/bytes.js'
import { encodeLengthFrame, LengthFrameReader } from '../../../shared/channel/length-frames.js'

describe('frames with a length', () => {
  it('are four bytes of length, big-endian, and the message', () => {
    expect(toHex(encodeLengthFrame(Uint8Array.of(1, 12, 9)))).toBe('00000003010c09')
  })

  it('come out as they went in, however they are cut', () => {
    const messages = fc.array(fc.uint8Array({ minLength: 2, maxLength: 300 }), { maxLength: 6 })
    fc.assert(
      fc.property(messages, fc.array(fc.nat(20), { minLength: 1 }), (all, cuts) => {
        const reader = new LengthFrameReader()
        const whole = concatBytes(...all.map(encodeLengthFrame))
        const read: Uint8Array[] = []
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = (cuts[i % cuts.length] ?? 0) + 1
          read.push(...reader.read(whole.subarray(at, at + size)))
          at += size
        }
        expect(read.map(toHex)).toEqual(all.map(toHex))
        // What was read stays as it is, whatever comes into the same memory later.
        whole.fill(0)
        expect(read.map(toHex)).toEqual(all.map(toHex))
      }),
    )
  })

  it.each([
    ['of 64 KiB', 65_536, undefined],
    ['of a byte more', 65_537, 'too_large'],
    ['of 4 GB', 2 ** 32 - 1, 'too_large'],
    ['of one byte, which no message has', 1, 'malformed'],
    ['of nothing', 0, 'malformed'],
  ])('%s are refused by their length, or not', (_, length, code) => {
    const reader = new LengthFrameReader()
    const frame = new Uint8Array(4)
    new DataView(frame.buffer).setUint32(0, length)
    const read = () => [...reader.read(frame)]
    if (code === undefined) expect(read()).toEqual([])
    else expect(read).toThrow(expect.objectContaining({ code }))
  })
})
