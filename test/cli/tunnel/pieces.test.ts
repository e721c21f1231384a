import { describe, expect, it } from 'vitest'
import { Pieces } from '../../../cli/tunnel/pieces.js'
import { PAYLOAD_BYTES } from '../../../shared/channel/record.js'

const READ_BYTES = 64 * 1024

function collected() {
  const sent: Buffer[] = []
  // Copied, as a record is.
  return { sent, pieces: new Pieces(piece => void sent.push(Buffer.from(piece))) }
}

/** Bytes that differ from place to place. */
function bytes(length: number): Buffer {
  return Buffer.from(Buffer.alloc(length).map((_, i) => i * 7))
}

describe('the pieces of a connection', () => {
  it('are as they were read, at once, where a read fits into a record', () => {
    const { sent, pieces } = collected()
    for (const length of [1, 100, PAYLOAD_BYTES]) {
      pieces.add(bytes(length))
      expect(sent.at(-1)?.length).toBe(length)
    }
    expect(sent.length).toBe(3)
  })

  it('fill records where there is much to read, and carry every byte in order', () => {
    const { sent, pieces } = collected()
    const whole = bytes(40 * READ_BYTES)
    for (let at = 0; at < whole.length; at += READ_BYTES) pieces.add(whole.subarray(at, at + READ_BYTES))
    pieces.flush()
    const lengths = sent.map(({ length }) => length)
    expect(new Set(lengths.slice(0, -1))).toEqual(new Set([PAYLOAD_BYTES]))
    expect(lengths.length).toBe(Math.ceil(whole.length / PAYLOAD_BYTES))
    expect(Buffer.concat(sent).equals(whole)).toBe(true)
  })

  it('do not wait longer than a turn of the event loop, and keep their order when small reads follow', async () => {
    const { sent, pieces } = collected()
    const whole = bytes(READ_BYTES + 10)
    pieces.add(whole.subarray(0, READ_BYTES))
    pieces.add(whole.subarray(READ_BYTES))
    expect(sent.length).toBe(1)
    await new Promise(resolve => setImmediate(resolve))
    expect(Buffer.concat(sent).equals(whole)).toBe(true)
    expect(sent.length).toBe(2)
  })

  it('are none where nothing waits', () => {
    const { sent, pieces } = collected()
    pieces.flush()
    pieces.add(bytes(2 * PAYLOAD_BYTES))
    pieces.flush()
    expect(sent.map(({ length }) => length)).toEqual([PAYLOAD_BYTES, PAYLOAD_BYTES])
  })
})
