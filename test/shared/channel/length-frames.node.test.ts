import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { LengthFrameReader } from '../../../shared/channel/length-frames.js'
import { writeLengthFrame } from '../../../shared/channel/length-frames.node.js'

/** A socket that keeps what it is given to send, and by how many calls. */
function kept() {
  const calls: Buffer[] = []
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      calls.push(chunk)
      done()
    },
    writev: (chunks, done) => {
      calls.push(Buffer.concat(chunks.map(({ chunk }) => chunk)))
      done()
    },
  })
  return { socket: stream as unknown as Socket, calls }
}

const read = (calls: readonly Buffer[]) =>
  [...new LengthFrameReader().read(Buffer.concat(calls))].map(message => Buffer.from(message).toString('hex'))

describe('frames that are sent in one turn', () => {
  it('go to the system together, in their order, and each sender learns when', async () => {
    const { socket, calls } = kept()
    const sent = ['0102', '0304', '0506'].map(
      text => new Promise<void>(resolve => writeLengthFrame(socket, [Buffer.from(text, 'hex')], resolve)),
    )
    expect(calls).toEqual([])
    await Promise.all(sent)
    expect(calls).toHaveLength(1)
    expect(read(calls)).toEqual(['0102', '0304', '0506'])
    // And in the next turn again.
    await new Promise<void>(resolve => writeLengthFrame(socket, [Buffer.from('0708', 'hex')], resolve))
    expect(read(calls)).toEqual(['0102', '0304', '0506', '0708'])
  })

  it('are sent before an end in the same turn', async () => {
    const { socket, calls } = kept()
    let isSent = false
    writeLengthFrame(socket, [Buffer.from('0102', 'hex')], () => {
      isSent = true
    })
    await new Promise<void>(resolve => socket.end(resolve))
    expect([read(calls), isSent]).toEqual([['0102'], true])
  })

  it('come as one message from its parts, small or large', async () => {
    for (const size of [10, 20_000]) {
      const { socket, calls } = kept()
      const parts = [Buffer.of(1, 2), Buffer.alloc(size, 7), Buffer.of(3)]
      await new Promise<void>(resolve => writeLengthFrame(socket, parts, resolve))
      expect(read(calls)).toEqual([Buffer.concat(parts).toString('hex')])
    }
  })
})
