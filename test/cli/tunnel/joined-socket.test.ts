import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { joinSocket } from '../../../cli/tunnel/joined-socket.js'
import { PAYLOAD_BYTES } from '../../../shared/channel/record.js'
import { settled } from '../../service/channel/scene.js'
import { channelPairs, ended, type Peer, socketPair } from './scene.js'

/** A connection at each end, and a channel between them: as a tunnel has it. */
async function joinedPairs() {
  const pairs = await channelPairs()
  return async () => {
    const [client, service] = await pairs()
    const [near, nearSocket] = await socketPair()
    const [far, farSocket] = await socketPair()
    const joints = [joinSocket(nearSocket, client), joinSocket(farSocket, service)] as const
    return { near, far, joints, client, service }
  }
}

const BIG = Buffer.alloc(3_000_000).map((_, i) => i * 7)

describe('a socket joined to a channel', () => {
  it('passes bytes of any size in both directions', async () => {
    const { near, far, joints } = await (await joinedPairs())()
    near.socket.end(BIG)
    far.socket.write('hello ')
    far.socket.end('there')
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect(Buffer.compare(far.received, BIG)).toBe(0)
    expect(near.text).toBe('hello there')
    expect(await Promise.all(joints)).toEqual([
      { sent: BIG.length, received: 11, reason: undefined },
      { sent: 11, received: BIG.length, reason: undefined },
    ])
  })

  it.each(['near', 'far'] as const)(
    'passes on the end of what the %s side sends, and goes on in the other',
    async side => {
      const { near, far, joints } = await (await joinedPairs())()
      const [ender, other]: [Peer, Peer] = side === 'near' ? [near, far] : [far, near]
      ender.socket.end('last')
      await expect.poll(() => other.hasEnded).toBe(true)
      expect([other.text, ender.hasEnded]).toEqual(['last', false])
      for (let i = 0; i < 3; i++) {
        other.socket.write(`more ${i} `)
        await expect.poll(() => ender.text).toContain(`more ${i}`)
      }
      other.socket.end()
      expect((await Promise.all(joints)).map(({ reason }) => reason)).toEqual([undefined, undefined])
      expect([near.failure, far.failure]).toEqual([undefined, undefined])
    },
  )

  it('slows a sender down whose other side does not read, and loses nothing', async () => {
    const { near, far } = await (await joinedPairs())()
    far.socket.pause()
    let given = 0
    const piece = Buffer.alloc(256 * 1024, 1)
    const give = (): void => {
      while (given < 120 && near.socket.write(piece)) given++
    }
    near.socket.on('drain', give)
    give()
    const stuck = await settled(() => given)
    expect(stuck).toBeLessThan(120)
    far.socket.resume()
    await expect.poll(() => given).toBe(120)
    near.socket.end()
    far.socket.end()
    await ended(far.socket)
    expect(far.received.length).toBe(near.socket.bytesWritten)
  })

  it.each(['near', 'far'] as const)('resets both when the connection of the %s side is reset', async side => {
    const { near, far, joints } = await (await joinedPairs())()
    const [cut, other]: [Peer, Peer] = side === 'near' ? [near, far] : [far, near]
    cut.socket.write('x')
    await expect.poll(() => other.text).toBe('x')
    cut.socket.resetAndDestroy()
    await ended(other.socket)
    expect([other.failure, other.hasEnded]).toEqual(['ECONNRESET', false])
    for (const { reason } of await Promise.all(joints)) expect(reason).toMatch(/ECONNRESET|closed|cut off/)
  })

  it('resets a connection that had ended one direction only, when the other side is reset', async () => {
    const { near, far } = await (await joinedPairs())()
    near.socket.end()
    await expect.poll(() => far.hasEnded).toBe(true)
    far.socket.resetAndDestroy()
    await ended(near.socket)
    expect([near.failure, near.hasEnded]).toEqual(['ECONNRESET', false])
  })

  it('resets both connections when the channel is given up', async () => {
    const { near, far, client, joints } = await (await joinedPairs())()
    near.socket.write('x')
    await expect.poll(() => far.text).toBe('x')
    client.abort('it was enough')
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect((await joints[0]).reason).toContain('it was enough')
  })

  it('sends all that was read before the end that came in the same turn', async () => {
    const socket = new Duplex({ read: () => {}, write: (_bytes, _encoding, done) => done() })
    const said: (number | 'end')[] = []
    let over: (cause: undefined) => void = () => {}
    const joined = joinSocket(socket, {
      closed: new Promise(resolve => {
        over = resolve
      }),
      send: async bytes => void said.push(bytes.length),
      receive: async () => undefined,
      end: async () => {
        said.push('end')
        over(undefined)
      },
      abort: () => {},
    })
    socket.push(Buffer.alloc(64 * 1024))
    socket.push(null)
    expect(await joined).toEqual({ sent: 64 * 1024, received: 0, reason: undefined })
    expect(said).toEqual([PAYLOAD_BYTES, 64 * 1024 - PAYLOAD_BYTES, 'end'])
  })

  it('gives the channel up where its socket is gone before it is joined', async () => {
    const [client, service] = await (await channelPairs())()
    const [, socket] = await socketPair()
    socket.destroy()
    expect((await joinSocket(socket, client)).reason).toContain('cut off')
    expect(await service.closed).toMatchObject({ code: 'channel_broken' })
  })
})
