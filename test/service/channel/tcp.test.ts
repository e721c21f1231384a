import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connectTcp as connectInBrowser } from '../../../client/service-channel/tcp.js'
import { acceptChannels } from '../../../service/index.js'
import { encodeLengthFrame, LengthFrameReader } from '../../../shared/channel/length-frames.js'
import { startChannel } from '../../../shared/channel/records.js'
import { openError } from '../../../shared/encoding/error.js'
import { SECOND } from '../../../shared/time.js'
import { openingOf } from './by-hand.js'
import { echo, failure, type Handle, rest, type Scene, settled, startScene, textOf } from './scene.js'

/** Channels over plain TCP, between the real parties. */

async function startTcp(handle: Handle = echo, options: object = {}) {
  const scene = await startScene({ follows: true })
  const { service } = scene
  const server = createServer()
  const served: Scene['served'] = []
  const addresses: unknown[] = []
  const accepted = acceptChannels({ service, server, ...options }, (channel, ticket, socket) => {
    served.push({ channel, ticket })
    addresses.push(socket.remoteAddress)
    return handle(channel, ticket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  await expect.poll(() => service.state.ready).toBe(true)
  const { port } = server.address() as AddressInfo
  onTestFinished(async () => {
    await accepted.close()
    server.close()
  })
  return { ...scene, server, served, accepted, addresses, port, url: `tcp://127.0.0.1:${port}` }
}

const BIG = new Uint8Array(700_000).map((_, i) => i * 7)

/** A client whose every byte is made by hand. */
class HandTcp {
  readonly messages: Uint8Array[] = []
  isClosed = false
  readonly socket: Socket

  constructor(port: number) {
    const reader = new LengthFrameReader()
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', piece => this.messages.push(...reader.read(piece as Buffer)))
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
    onTestFinished(() => void this.socket.destroy())
  }
}

describe('a channel over TCP', () => {
  it('carries messages of any size both ways, half closed too, and ends when both sides have', async () => {
    const { web, url, served, addresses } = await startTcp()
    const channel = await web.openChannel(url, { service: 'live' })
    await channel.send('hello')
    await channel.send(BIG)
    expect(textOf(await channel.receive())).toBe('hello')
    expect(Buffer.compare((await channel.receive()) ?? new Uint8Array(), BIG)).toBe(0)
    await channel.send('last')
    await channel.end()
    expect(await rest(channel)).toEqual(['last'])
    expect([await channel.closed, await served[0]?.channel.closed]).toEqual([undefined, undefined])
    expect([served[0]?.ticket.client, addresses]).toEqual(['web@test.example', ['127.0.0.1']])
  })

  it('slows its sender down, lives through silence, and is over when its other side is gone', async () => {
    const { web, url, served, realm } = await startTcp(async channel => {
      for (let i = 0; i < 25; i++) await channel.send(BIG).then(() => (progress = i + 1))
      await channel.end()
    })
    let progress = 0
    const channel = await web.openChannel(url, { service: 'live' })
    expect(await settled(() => progress)).toBeLessThan(25)
    let taken = 0
    for await (const message of channel) taken += message.length
    expect(taken).toBe(25 * BIG.length)
    for (let i = 0; i < 8; i++) {
      realm.clock.advance(15 * SECOND)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    expect([channel.isOver, served[0]?.channel.isOver]).toEqual([false, false])
    channel.abort()
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'channel_broken' })
  })

  it('ends on a revocation, and the next opening is refused with a proof', async () => {
    const { web, url, served, realm } = await startTcp(() => {})
    const channel = await web.openChannel(url, { service: 'live' })
    const ticket = await web.getServiceTicket('live')
    await expect.poll(() => served.length).toBe(1)
    await realm.administration.revocations.client('web@test.example' as never)
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'revoked' })
    expect(await channel.closed).toMatchObject({ code: 'channel_broken' })
    expect(await failure(web.openChannel(url, { ticket }))).toMatchObject({ code: 'revoked' })
  })

  it('is opened for TCP only: the opening of a WebSocket is for another target', async () => {
    const { web, port, realm } = await startTcp(() => {})
    const hand = new HandTcp(port)
    const { request, key } = await openingOf(web, { time: realm.clock.now() })
    hand.socket.write(encodeLengthFrame(request.bytes))
    await expect.poll(() => hand.isClosed).toBe(true)
    expect(openError(hand.messages[0] ?? BIG, key, request.mac)).toMatchObject({
      code: 'binding_mismatch',
      authenticated: true,
    })
  })

  it('takes its records in pieces of any size', async () => {
    const { web, port, realm } = await startTcp()
    const hand = new HandTcp(port)
    const { request, key } = await openingOf(web, { time: realm.clock.now(), target: '' })
    for (const byte of encodeLengthFrame(request.bytes)) hand.socket.write(Uint8Array.of(byte))
    await expect.poll(() => hand.messages.length).toBe(1)
    const records = startChannel('client', key, request.bytes, hand.messages[0] ?? BIG, 1000)
    const frames = [records.sealGreeting(), ...records.sealMessage(new Uint8Array(100)), records.sealEnd()]
    hand.socket.write(Buffer.concat(frames.map(encodeLengthFrame)))
    await expect.poll(() => hand.messages.length).toBe(3)
    expect(records.open(hand.messages[1] ?? BIG)).toEqual({ kind: 'message', message: new Uint8Array(100) })
    expect(records.open(hand.messages[2] ?? BIG)).toEqual({ kind: 'end' })
    await expect.poll(() => hand.isClosed).toBe(true)
  })

  it.each([
    ['announces 4 GB', [255, 255, 255, 255]],
    ['has no message', [0, 0, 0, 0]],
    ['is HTTP', [...Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
  ])('is cut off by a frame that %s', async (_, bytes) => {
    const { port } = await startTcp()
    const hand = new HandTcp(port)
    hand.socket.write(Uint8Array.from(bytes))
    await expect.poll(() => hand.isClosed).toBe(true)
    expect(hand.messages).toEqual([])
  })

  it('has to be opened in time', async () => {
    const { port, realm, accepted } = await startTcp(() => {}, { maxUnopened: 2 })
    const [one, two] = [new HandTcp(port), new HandTcp(port)]
    await new Promise(resolve => two.socket.once('connect', resolve))
    const three = new HandTcp(port)
    await expect.poll(() => one.isClosed).toBe(true)
    expect([two.isClosed, three.isClosed, accepted.size]).toEqual([false, false, 0])
    realm.clock.advance(10 * SECOND)
    await expect.poll(() => two.isClosed && three.isClosed).toBe(true)
  })

  it('is none at an address without one, which is told', async () => {
    const { web, server, accepted, url, port } = await startTcp()
    for (const wrong of [`tcp://127.0.0.1`, `tcp://127.0.0.1:${port}/live`, `tcp://u:p@127.0.0.1:${port}`]) {
      expect(await failure(web.openChannel(wrong, { service: 'live' })), wrong).toBeInstanceOf(TypeError)
    }
    expect(await failure(web.openChannel(url))).toMatchObject({
      message: expect.stringContaining('no service'),
    })
    await accepted.close()
    await new Promise(resolve => server.close(resolve))
    expect(await failure(web.openChannel(url, { service: 'live' }))).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/nothing listens there.*start live@test.example/),
    })
    expect(() => connectInBrowser({ host: '127.0.0.1', port }, {} as never)).toThrow(
      /this platform has no TCP/,
    )
  })

  it('has neither a path nor origins', async () => {
    const { service } = await startTcp()
    for (const wrong of [{ path: '/live' }, { allowedOrigins: [] }, { pathPrefix: '/api' }]) {
      const options = { service, server: createServer(), ...wrong } as never
      expect(() => acceptChannels(options, echo)).toThrow(/is of HTTP/)
    }
  })
})
