import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { encodeHead, ID_BYTES } from '../../cli/tunnel/head.js'
import { listenOn } from '../../cli/tunnel/listen.js'
import { proxyHeader } from '../../cli/tunnel/proxy-protocol.js'
import { encodeLengthFrame, LengthFrameReader } from '../../shared/channel/length-frames.js'
import { parsePrincipal } from '../../shared/principal.js'
import { MINUTE } from '../../shared/time.js'
import { ended, listening, Peer, startTunnel, type TunnelScene, through } from '../cli/tunnel/scene.js'
import { passTime } from '../support/turns.js'

/** Attacks on a tunnel, and on the program and the server that it joins, by whoever owns the network between its ends. */

type Meddle = (frame: Uint8Array, send: (frame: Uint8Array) => void, at: number) => void

/** The network between the two ends: it records each frame of the client, and may meddle with it. */
class Network {
  /** What each connection of the client sent, frame by frame, and all that went either way. */
  readonly recorded: Uint8Array[][] = []
  readonly bytes: Buffer[] = []
  readonly #sockets: Socket[] = []
  meddle: Meddle = (frame, send) => send(frame)

  async start(port: number): Promise<number> {
    const server = createServer(client => this.#join(client, connect(port, '127.0.0.1')))
    return listening(server)
  }

  /** Ends every connection in order, as far as TCP tells. */
  cut(): void {
    for (const socket of this.#sockets) socket.end()
  }

  #join(client: Socket, behind: Socket): void {
    const reader = new LengthFrameReader()
    const frames: Uint8Array[] = []
    this.recorded.push(frames)
    this.#sockets.push(client, behind)
    client.on('data', piece => {
      this.bytes.push(piece as Buffer)
      for (const frame of reader.read(piece as Buffer)) {
        const send = (sent: Uint8Array): void => void behind.write(encodeLengthFrame(sent))
        this.meddle(frame, send, frames.push(frame) - 1)
      }
    })
    behind.on('data', piece => {
      this.bytes.push(piece as Buffer)
      client.write(piece as Buffer)
    })
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      one.on('error', () => {})
      one.on('close', () => other.destroy())
      onTestFinished(() => void one.destroy())
    }
  }
}

async function overNetwork(options: object = {}): Promise<TunnelScene & { network: Network }> {
  const network = new Network()
  const scene = await startTunnel({ ...options, by: port => network.start(port) })
  return { ...scene, network }
}

const SECRET = 'AUTH the-password-of-redis'

describe('an intruder without a ticket', () => {
  it.each([
    ['that speaks to the server as to Redis', Buffer.from('PING\r\n')],
    ['that speaks TLS', Buffer.from('160301020001000001fc0303', 'hex')],
    [
      'that begins as a tunnel does',
      Buffer.from(encodeLengthFrame(encodeHead({ kind: 'begins', id: undefined }))),
    ],
    ['that sends an opening of nothing', Buffer.from(encodeLengthFrame(Uint8Array.of(1, 10, 0x90)))],
  ])('%s reaches no server', async (_, bytes) => {
    const scene = await startTunnel()
    const intruder = await Peer.connect(scene.served)
    intruder.socket.end(bytes)
    await ended(intruder.socket)
    expect([scene.upstream, scene.serve.size]).toEqual([[], 0])
    // Nothing of the server, and at most an error that is not proved.
    expect(intruder.received.length).toBeLessThan(200)
  })
})

describe('the network between the ends of a tunnel', () => {
  it('sees nothing of what goes through it', async () => {
    const scene = await overNetwork()
    const [near, far] = await through(scene)
    near.socket.write(SECRET)
    await expect.poll(() => far.text).toBe(SECRET)
    far.socket.write(SECRET)
    await expect.poll(() => near.text).toBe(SECRET)
    const seen = Buffer.concat(scene.network.bytes)
    expect(seen.length).toBeGreaterThan(2 * SECRET.length)
    for (const part of ['AUTH', 'password', 'redis-', SECRET]) expect(seen.includes(part)).toBe(false)
  })

  it('that repeats an opening, or all of a connection, has nothing done again', async () => {
    const scene = await overNetwork()
    const [near, far] = await through(scene)
    near.socket.end('INCR counter')
    far.socket.end('1')
    await ended(near.socket)
    const [frames = []] = scene.network.recorded
    expect(frames.length).toBeGreaterThan(3)
    for (const part of [frames.slice(0, 1), frames]) {
      const copy = await Peer.connect(scene.served)
      copy.socket.end(Buffer.concat(part.map(encodeLengthFrame)))
      await ended(copy.socket)
      // An answer to the opening, which nobody without the key can go on from, and an error.
      expect(copy.received.length).toBeLessThan(200)
    }
    expect([scene.upstream.length, far.text]).toEqual([1, 'INCR counter'])
  })

  it.each<[string, Meddle]>([
    [
      'changes a byte',
      (frame, send, at) => {
        const changed = frame.slice()
        if (at === 4) changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
        send(changed)
      },
    ],
    [
      'leaves one out',
      (frame, send, at) => {
        if (at !== 4) send(frame)
      },
    ],
    [
      'sends one twice',
      (frame, send, at) => {
        send(frame)
        if (at === 4) send(frame)
      },
    ],
    ['cuts one short', (frame, send, at) => send(at === 4 ? frame.subarray(0, -1) : frame)],
    ['swaps two', swapped(4)],
  ])('that %s has the connection reset, and the server gets nothing from then on', async (_, meddle) => {
    const scene = await overNetwork()
    scene.network.meddle = meddle
    const [near, far] = await through(scene)
    near.socket.write('one ')
    await expect.poll(() => far.text).toBe('one ')
    near.socket.write('two ')
    await new Promise(resolve => setImmediate(resolve))
    near.socket.write('three ')
    await expect.poll(() => scene.network.recorded[0]?.length).toBeGreaterThanOrEqual(5)
    near.socket.write('four ')
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect(['one ', 'one two ']).toContain(far.text)
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })

  it('that cuts a connection has it reset, not ended: nobody takes a part for the whole', async () => {
    const scene = await overNetwork()
    const [near, far] = await through(scene)
    near.socket.write('DELETE FROM orders')
    await expect.poll(() => far.text).toBe('DELETE FROM orders')
    scene.network.cut()
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([far.text, far.hasEnded, far.failure]).toEqual(['DELETE FROM orders', false, 'ECONNRESET'])
    expect([near.hasEnded, near.failure]).toEqual([false, 'ECONNRESET'])
  })

  it('that answers in the place of the service gets nothing of the program', async () => {
    const got: Buffer[] = []
    const impostor = createServer(socket => {
      socket.on('data', piece => got.push(piece as Buffer))
      socket.on('error', () => {})
      socket.write(encodeLengthFrame(Uint8Array.of(1, 11, 0x92, 0, 0)))
    })
    const port = await listening(impostor)
    const scene = await startTunnel({ by: async () => port })
    const program = await Peer.connect(scene.at)
    program.socket.write(SECRET)
    await ended(program.socket)
    expect([program.failure, program.text]).toEqual(['ECONNRESET', ''])
    expect(Buffer.concat(got).includes('AUTH')).toBe(false)
  })
})

describe('a client with a ticket of its own', () => {
  async function hijack(head: Uint8Array, scene: TunnelScene): Promise<void> {
    await scene.realm.allow('stranger', 'redis')
    const stranger = await scene.realm.connect('stranger')
    const channel = await stranger.openChannel(`tcp://127.0.0.1:${scene.served}`, { service: 'redis' })
    await channel.send(head)
    expect(await channel.closed).toMatchObject({ code: 'channel_broken' })
  }

  it('goes on with no connection of another, even if it knows its id', async () => {
    const scene = await startTunnel({ connecting: { renew: true } })
    const id = new Uint8Array(ID_BYTES).fill(7)
    const web = await scene.web.openChannel(`tcp://127.0.0.1:${scene.served}`, { service: 'redis' })
    await web.send(encodeHead({ kind: 'begins', id }))
    await web.send('mine')
    await expect.poll(() => scene.upstream[0]?.text).toBe('mine')
    await hijack(encodeHead({ kind: 'continues', id }), scene)
    await web.send(' still')
    await expect.poll(() => scene.upstream[0]?.text).toBe('mine still')
    expect(scene.upstream.slice(1).map(({ text }) => text)).toEqual(scene.upstream.slice(1).map(() => ''))
  })

  it.each([
    [
      'continues a connection that there is not',
      encodeHead({ kind: 'continues', id: new Uint8Array(ID_BYTES) }),
    ],
    ['says nothing', new Uint8Array()],
    ['says something unknown', Uint8Array.of(3)],
    ['cuts its id short', Uint8Array.of(1, 2, 3)],
    ['says more than there is to say', Uint8Array.of(0, 0)],
  ])('that %s reaches no server', async (_, head) => {
    const scene = await startTunnel()
    await hijack(head, scene)
    expect(scene.upstream).toEqual([])
  })
})

describe('a client that says to the server who it is', () => {
  /** What another one could have written in front of a connection. */
  const forged = Buffer.from(
    proxyHeader({
      client: parsePrincipal('admin@test.example'),
      via: undefined,
      from: { address: '10.9.9.9', port: 1 },
      to: { address: '10.9.9.8', port: 2 },
    }),
  )

  it('by a header of the PROXY protocol, says it behind the one of the tunnel, where it is data', async () => {
    const scene = await startTunnel({ serving: { proxyProtocol: true } })
    const [near, far] = await through(scene)
    near.socket.write(forged)
    await expect.poll(() => far.received.includes('admin@test.example')).toBe(true)
    const { received } = far
    const length = 16 + received.readUInt16BE(14)
    expect(received.subarray(0, length).includes('web@test.example')).toBe(true)
    expect(received.subarray(0, length).includes('admin')).toBe(false)
    expect(received.subarray(length)).toEqual(forged)
  })

  it('goes on under no fresh ticket once it is disabled, and not beyond the end of the one it has', async () => {
    const scene = await startTunnel({ connecting: { renew: true }, maxLife: 10 * MINUTE })
    const [near, far] = await through(scene)
    await scene.realm.administration.disable(parsePrincipal('web@test.example'))
    const begin = scene.realm.clock.now()
    await passTime(scene.realm.clock, Promise.all([ended(near.socket), ended(far.socket)]), 30_000)
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
    // A step more than the life of its ticket, and what steps there were until it was seen.
    expect(scene.realm.clock.now() - begin).toBeLessThan(13 * MINUTE)
    const lines = scene.log.lines.map(({ message }) => message)
    expect(lines.filter(message => message.includes('goes on under a fresh ticket'))).toEqual([])
  })

  it('is cut off at once when it is disabled, where the service follows what is revoked', async () => {
    const scene = await startTunnel({ connecting: { renew: true }, follows: true })
    const [near, far] = await through(scene)
    await scene.realm.administration.disable(parsePrincipal('web@test.example'))
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })
})

describe('a Unix socket of a tunnel or a proxy', () => {
  it('is at no moment one that another user may connect to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'orthrus-socket-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'socket')
    const umask = process.umask.bind(process)
    const before = umask(0)
    const seen: unknown[] = []
    // Nothing else runs between the two changes of the mask, so whatever there is was made under it.
    vi.spyOn(process, 'umask').mockImplementation(((mask: number) => {
      seen.push([mask, existsSync(path) ? statSync(path).mode & 0o777 : 'not there'])
      return umask(mask)
    }) as typeof process.umask)
    try {
      await listenOn(
        createServer().on('listening', () => seen.push('listening')),
        { path },
      )
    } finally {
      umask(before)
    }
    expect(seen).toEqual([[0o177, 'not there'], [0, 0o600], 'listening'])
  })
})

function swapped(first: number): Meddle {
  let held: Uint8Array | undefined
  return (frame, send, at) => {
    if (at === first) held = frame
    else {
      send(frame)
      if (at === first + 1 && held !== undefined) send(held)
    }
  }
}
