import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, toHex } from '../../../shared/bytes.js'
import { encodeLengthFrame, LengthFrameReader } from '../../../shared/channel/length-frames.js'

const NOTHING = new Uint8Array()

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
          for (const message of reader.read(whole.subarray(at, at + size))) read.push(message.slice())
          at += size
        }
        expect(read.map(toHex)).toEqual(all.map(toHex))
        // What was read stays as it is, whatever comes into the same memory later.
        whole.fill(0)
        expect(read.map(toHex)).toEqual(all.map(toHex))
      }),
    )
  })

  it('that are large come out whole, whatever other connections are in the middle of', () => {
    const sizes = [65_536, 40_000, 32_769, 32_768, 65_536, 50_000]
    const connections = Array.from({ length: 12 }, (_, i) => {
      const messages = sizes.map((size, j) => new Uint8Array(size).fill(i * 16 + j))
      return {
        reader: new LengthFrameReader(),
        messages,
        whole: Buffer.concat(messages.map(encodeLengthFrame)),
      }
    })
    const read = connections.map((): Uint8Array[] => [])
    // In pieces, in turn: nearly all of the time each of them has a part of a frame.
    for (let at = 0; at < (connections[0]?.whole.length ?? 0); at += 9_999) {
      for (const [i, { reader, whole }] of connections.entries()) {
        for (const message of reader.read(whole.subarray(at, at + 9_999))) read[i]?.push(message.slice())
      }
    }
    for (const [i, { messages }] of connections.entries()) {
      expect(read[i]?.map(({ length }) => length)).toEqual(sizes)
      expect(read[i]?.every((message, j) => Buffer.compare(message, messages[j] ?? NOTHING) === 0)).toBe(true)
    }
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
