import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { constants, createDeflateRaw } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocketServer } from 'ws'
import { connect as connectRealm } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { CHANNELS_WAITING, LIMIT, TYPE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { openUnauthenticatedError } from '../../shared/encoding/error.js'
import { createParamsRequest } from '../../shared/exchange/params.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import { MINUTE } from '../../shared/time.js'
import { openingOf, TestChannel, TestSocket } from '../kdc/socket.js'
import { type OwnKdc, startOwnKdc } from '../support/own-kdc.js'
import { failureOf, startTestRealm } from '../support/world.js'
import { HandClient, outcome } from './by-hand.js'

/** What takes a KDC's memory or time, and what an honest client beside it notices. */

/** Where the attacker comes from; honest clients come from 127.0.0.1. */
const ELSEWHERE = { localAddress: '127.0.0.2' } as const

const CROWD = fileURLToPath(new URL('crowd-process.mjs', import.meta.url))
const IDLE = process.env.ORTHRUS_SLOW === '1' ? 10_000 : 1_000

async function honest(own: OwnKdc, entry: KeytabEntry): Promise<Realm> {
  const { clock, kdc } = own
  const keytab = { text: formatKeytab([entry]) }
  const realm = await connectRealm({ kdc: kdc.url, keytab, clock, timers: clock })
  onTestFinished(() => realm.close())
  return realm
}

/** Checks that a client that was there before, and one that comes now, both get tickets. */
async function expectServed(own: OwnKdc, before: Realm, entry: KeytabEntry): Promise<void> {
  const lifetime = 1 + Math.floor(systemRandom(1)[0] ?? 0) * MINUTE
  expect((await before.getServiceTicket('kdc', { lifetime })).service).toBe('kdc@test.example')
  const fresh = await honest(own, entry)
  expect((await fresh.getServiceTicket('kdc')).service).toBe('kdc@test.example')
  fresh.close()
}

async function scene(limits: Parameters<typeof startOwnKdc>[0] = {}) {
  const own = await startOwnKdc(limits)
  const entry = await own.add('web')
  const before = await honest(own, entry)
  await before.getServiceTicket('kdc')
  return { own, entry, before, served: () => expectServed(own, before, entry) }
}

interface Bare {
  readonly socket: Socket
  text(): string
  readonly ended: Promise<void>
}

function bare({ kdc }: OwnKdc, localAddress = '127.0.0.1'): Promise<Bare> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: kdc.address.port, host: '127.0.0.1', localAddress })
    let received = ''
    socket.on('data', data => {
      received += data.toString('latin1')
    })
    const ended = new Promise<void>(done => socket.on('close', () => done()))
    socket.on('error', reject)
    socket.on('connect', () => resolve({ socket, text: () => received, ended }))
    onTestFinished(() => void socket.destroy())
  })
}

const HANDSHAKE = [
  'GET / HTTP/1.1',
  'Host: kdc',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
]

/** A WebSocket with frames made by hand. */
async function upgraded(own: OwnKdc, ...headers: string[]): Promise<Bare> {
  const wire = await bare(own)
  const lines = [...HANDSHAKE, 'Sec-WebSocket-Protocol: orthrus.v1', ...headers]
  wire.socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await new Promise(resolve => wire.socket.once('data', resolve))
  expect(wire.text()).toContain(' 101 ')
  return wire
}

/** A client's frame, masked with zeros. */
function rawFrame(head: number, payload: Uint8Array, announced = payload.length): Buffer {
  const length =
    announced < 126
      ? Buffer.from([0x80 | announced])
      : announced < 2 ** 16
        ? Buffer.from([0xfe, announced >> 8, announced & 0xff])
        : Buffer.concat([Buffer.from([0xff]), bigEndian(announced)])
  return Buffer.concat([Buffer.from([head]), length, Buffer.alloc(4), payload])
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

function piecesOf(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => {
    return bytes.subarray(i * size, (i + 1) * size)
  })
}

/** A message in this many frames. */
function framesOf(message: Buffer, count: number): Buffer[] {
  const pieces = piecesOf(message, Math.ceil(message.length / count))
  return pieces.map((piece, i) => {
    return rawFrame((i === 0 ? BEGINS : CONTINUES) | (i === count - 1 ? FINAL : 0), piece)
  })
}

/** A turn of the event loop: what was sent is read, and not with what is sent next. */
function soon(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

const BINARY = 0x82
const FINAL = 0x80
const BEGINS = 0x02
const CONTINUES = 0x00
const COMPRESSED = 0xc2

describe('a connection that floods the KDC', () => {
  it.each([0, 1, 40, 4_096])('by fragments of %d bytes of a message without end is closed', async size => {
    const { own, served } = await scene()
    const flooding = await upgraded(own)
    flooding.socket.on('error', () => {})
    const piece = rawFrame(CONTINUES, new Uint8Array(size))
    flooding.socket.write(Buffer.concat([rawFrame(BEGINS, new Uint8Array(4)), ...Array(15).fill(piece)]))
    await flooding.ended
    await served()
  })

  it('by a frame sent byte by byte is closed before it takes a multiple of its size', async () => {
    const { own, served } = await scene()
    const flooding = await upgraded(own)
    flooding.socket.on('error', () => {})
    let ended = false
    void flooding.ended.then(() => {
      ended = true
    })
    flooding.socket.setNoDelay().write(rawFrame(BINARY, new Uint8Array(1), LIMIT.MESSAGE_BYTES))
    for (let sent = 1; !ended && sent < 10_000; sent++) {
      flooding.socket.write(new Uint8Array(1))
      await soon()
    }
    expect(ended).toBe(true)
    await served()
  })

  it.each([
    ['in the smallest segments', (frame: Buffer) => piecesOf(frame, 536)],
    ['in a few frames', (_: Buffer, message: Buffer) => framesOf(message, 3)],
  ])('is not one that sends the largest message %s', async (_, cut) => {
    const own = await startOwnKdc()
    const wire = await upgraded(own)
    wire.socket.setNoDelay()
    const message = Buffer.concat([Buffer.alloc(4), Buffer.alloc(LIMIT.MESSAGE_BYTES, 1)])
    const answer = new Promise<Buffer>(resolve => wire.socket.once('data', resolve))
    for (const piece of cut(rawFrame(BINARY, message), message)) {
      wire.socket.write(piece)
      await soon()
    }
    expect((await answer).toString('latin1')).toContain('malformed')
  })

  it.each([LIMIT.MESSAGE_BYTES + 5, 2 ** 31, 2 ** 40, 2 ** 53])(
    'by a frame that announces %d bytes is closed before they arrive',
    async announced => {
      const { own, served } = await scene()
      const giant = await upgraded(own)
      giant.socket.write(rawFrame(BINARY, new Uint8Array(8), announced))
      await giant.ended
      await served()
    },
  )

  it('by a deflate bomb is closed, since no compression was agreed', async () => {
    const { own, served } = await scene()
    const wire = await upgraded(own, 'Sec-WebSocket-Extensions: permessage-deflate')
    expect(wire.text().toLowerCase()).not.toContain('sec-websocket-extensions')
    const bomb = await deflated(64 * 1024 * 1024)
    expect(bomb.length).toBeLessThan(LIMIT.MESSAGE_BYTES * 2)
    wire.socket.write(rawFrame(COMPRESSED, bomb.subarray(0, 60_000)))
    await wire.ended
    await served()
  })

  it('by handshakes that never end is cut off in time', async () => {
    const { own, served } = await scene({ limits: { handshake: 1_000 } })
    const [head = '', ...others] = HANDSHAKE
    const slow = await Promise.all(Array.from({ length: 50 }, () => bare(own, '127.0.0.2')))
    for (const [i, { socket }] of slow.entries()) {
      socket.on('error', () => {})
      if (i % 2 === 0) socket.write(`${head}\r\n${others.slice(0, i % 6).join('\r\n')}`)
    }
    await Promise.all(slow.map(({ ended }) => ended))
    await served()
  })

  it('by thousands of idle connections leaves others theirs', async () => {
    const limits = { connections: IDLE + 100, connectionsPerAddress: IDLE }
    const { own, served } = await scene({ limits })
    const crowd = fork(CROWD, [own.kdc.url, String(IDLE), ELSEWHERE.localAddress], { execArgv: [] })
    onTestFinished(() => {
      crowd.kill('SIGKILL')
    })
    expect(await saidBy(crowd)).toBe('open')
    expect(own.kdc.connections).toBeGreaterThanOrEqual(IDLE)
    // Another one from there takes the place of the oldest.
    const oldest = saidBy(crowd)
    const last = await TestSocket.open(own.kdc.url, ELSEWHERE)
    onTestFinished(() => last.close())
    expect(await oldest).toBe('closed: 1')
    await served()
    crowd.send('how many were closed?')
    expect(await saidBy(crowd)).toBe(1)
  })

  it('by more connections than one address may have takes nobody else’s', async () => {
    const { own, served } = await scene({ limits: { connectionsPerAddress: 100 } })
    const opened: TestSocket[] = []
    onTestFinished(() => {
      for (const each of opened) each.close()
    })
    for (let i = 0; i < 150; i++) opened.push(await TestSocket.open(own.kdc.url, ELSEWHERE))
    await Promise.all(opened.slice(0, 50).map(({ closed }) => closed))
    expect(opened.filter(({ isClosed }) => !isClosed)).toHaveLength(100)
    await served()
  })

  it('from eight addresses, with all connections that there are, keeps no other address out', async () => {
    const { own, served } = await scene({ limits: { connections: 80, connectionsPerAddress: 10 } })
    const crowd = Array.from({ length: 8 }, (_, i) => ({ localAddress: `127.0.0.${i + 10}` }))
    const opened: TestSocket[] = []
    onTestFinished(() => {
      for (const each of opened) each.close()
    })
    for (let round = 0; round < 15; round++) {
      for (const address of crowd) opened.push(await TestSocket.open(own.kdc.url, address))
    }
    expect(own.kdc.connections).toBe(80)
    await served()
    for (const address of crowd) opened.push(await TestSocket.open(own.kdc.url, address))
    await served()
    expect(own.kdc.connections).toBeLessThanOrEqual(80)
  })

  it.each(['orthrus.v2', 'orthrus.v1x', 'ORTHRUS.V1', 'chat', undefined])(
    'under the subprotocol %s is none at all',
    async protocol => {
      const { own, served } = await scene()
      const wire = await bare(own)
      const asked = protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]
      wire.socket.write(`${[...HANDSHAKE, ...asked].join('\r\n')}\r\n\r\n`)
      await wire.ended
      expect(wire.text()).toContain(' 400 ')
      await served()
    },
  )
})

/** The next output of a process, or its end. */
async function saidBy(child: ChildProcess): Promise<unknown> {
  const [said] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => ['nothing more']),
  ])
  return said
}

/** This many zeros, deflated. */
async function deflated(length: number): Promise<Buffer> {
  const deflate = createDeflateRaw({ level: 9, finishFlush: constants.Z_SYNC_FLUSH })
  const pieces: Buffer[] = []
  deflate.on('data', piece => pieces.push(piece))
  const done = new Promise(resolve => deflate.on('end', resolve))
  deflate.end(Buffer.alloc(length))
  await done
  return Buffer.concat(pieces)
}

describe('a flooding client beside an honest one', () => {
  it('that guesses keys stops nobody who has one, not even at its own address', async () => {
    const { own, entry, served } = await scene()
    const guess = { principal: entry.principal, kvno: 1, key: new LongTermKey(systemRandom(32)) }
    const guesser = await HandClient.connect(own.kdc.url, guess, own.clock, ELSEWHERE)
    const codes: string[] = []
    for (let i = 0; i < 150; i++) codes.push(outcome(await guesser.login()))
    expect(codes).toEqual([...Array(30).fill('05 auth_failed'), ...Array(120).fill('05 rate_limited')])
    await served()
    const neighbour = await HandClient.connect(own.kdc.url, entry, own.clock, ELSEWHERE)
    expect(outcome(await neighbour.login())).toBe('reply')
  })

  it('that has a key and asks without end is limited by its name', async () => {
    const { own, served } = await scene({
      limits: { requestsPerClient: { points: 200, interval: MINUTE } },
    })
    const greedy = await HandClient.connect(own.kdc.url, await own.add('greedy'), own.clock)
    const [tgt] = await greedy.grants()
    const codes = await Promise.all(Array.from({ length: 300 }, async () => outcome(await greedy.tgs(tgt))))
    expect(codes.filter(code => code === 'reply')).toHaveLength(200)
    expect(codes.filter(code => code === '06 rate_limited')).toHaveLength(100)
    await served()
  })

  it('that does not wait for its answers delays only itself', async () => {
    const { own, entry, served } = await scene({ limits: { params: { points: 1e6, interval: MINUTE } } })
    const flooding = await TestSocket.open(own.kdc.url, ELSEWHERE)
    onTestFinished(() => flooding.close())
    const message = createParamsRequest(entry.principal)
    for (let id = 0; id < 5_000; id++) flooding.send(id, message)
    let last = false
    const answered = flooding.next(4_999).then(() => {
      last = true
    })
    await served()
    expect(last).toBe(false)
    await answered
  })

  it('that sends garbage of every kind stops no party', async () => {
    const { own, served } = await scene()
    for (let i = 0; i < 20; i++) {
      const wire = await upgraded(own)
      wire.socket.on('error', () => {})
      wire.socket.write(Buffer.from(systemRandom(200)))
      wire.socket.end()
      await wire.ended
    }
    await served()
  })
})

describe('half-open channels', () => {
  /** 10,000 openings in the slow set, 3,000 otherwise. */
  const CONNECTIONS = process.env.ORTHRUS_SLOW === '1' ? 20 : 6

  it('are limited for each ticket and connection, and an honest channel opens beside thousands of them', async () => {
    const { own, served } = await scene({ limits: { requestsPerClient: { points: 1e6, interval: MINUTE } } })
    const eve = await HandClient.connect(own.kdc.url, await own.add('eve'), own.clock)
    const ticket = await eve.ticket('kdc')
    const time = own.clock.now()
    const outcomes = new Map<string, number>()
    const count = (told: string): void => void outcomes.set(told, (outcomes.get(told) ?? 0) + 1)
    for (let connection = 0; connection < CONNECTIONS; connection++) {
      const socket = await TestSocket.open(own.kdc.url)
      onTestFinished(() => socket.close())
      const answers = Array.from({ length: 500 }, (_, id) => {
        return socket.ask(id, openingOf(ticket, { time }).request.bytes)
      })
      for (const bytes of await Promise.all(answers)) count(codeOf(bytes))
    }
    const all = Object.fromEntries(outcomes)
    expect(all.accepted).toBe(CHANNELS_WAITING)
    expect(Object.values(all).reduce((sum, each) => sum + each, 0)).toBe(CONNECTIONS * 500)
    expect(Object.keys(all).sort()).toEqual(['05 rate_limited', '06', 'accepted'])
    await served()
    const admin = await HandClient.connect(own.kdc.url, own.admin, own.clock)
    const channel = await TestChannel.open(admin.socket, 99, await admin.ticket('kdc'), { time })
    expect(await channel.call('list', [null, 1])).toHaveProperty('results')
  })
})

function codeOf(bytes: Uint8Array): string {
  if (bytes[1] === TYPE.AP_ACCEPT) return 'accepted'
  return bytes[1] === TYPE.ERROR ? `05 ${openUnauthenticatedError(bytes).code}` : '06'
}

describe('a KDC that floods its clients', () => {
  /** A server in the KDC's place that answers the first question with anything it likes. */
  async function lying(
    reply: (socket: { send(data: Uint8Array, options?: object): void; _socket: Socket }) => void,
  ) {
    const realm = await startTestRealm()
    await realm.add('web')
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      handleProtocols: () => 'orthrus.v1',
      perMessageDeflate: { threshold: 0 },
    })
    await new Promise<void>(resolve => server.once('listening', resolve))
    onTestFinished(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    let extensions = ''
    server.on('connection', socket => {
      extensions += socket.extensions
      socket.on('error', () => {})
      socket.on('message', () => reply(socket as unknown as Parameters<typeof reply>[0]))
    })
    const { port } = server.address() as { port: number }
    const web = await realm.connect('web', { kdc: `ws://127.0.0.1:${port}` })
    return { web, extensions: () => extensions }
  }

  it.each<[string, Parameters<typeof lying>[0]]>([
    ['with a giant frame', socket => socket.send(new Uint8Array(LIMIT.MESSAGE_BYTES + 5))],
    [
      'with a giant frame in pieces',
      socket => {
        for (let i = 0; i < 2_000; i++) socket.send(new Uint8Array(1_024), { fin: false })
      },
    ],
    [
      'with fragments of one byte',
      socket => {
        for (let i = 0; i < 20; i++) socket.send(new Uint8Array(1), { fin: false })
      },
    ],
    ['with a frame that it compressed', socket => void socket._socket.write(Buffer.from([0xc2, 1, 0]))],
    [
      'with a frame of 2^53 bytes to come',
      socket => void socket._socket.write(Buffer.concat([Buffer.from([0x82, 127]), bigEndian(2 ** 53)])),
    ],
    ['with text', socket => socket.send('hello' as unknown as Uint8Array)],
    ['with a frame without an id', socket => socket.send(new Uint8Array(3))],
  ])('%s is disconnected', async (_, reply) => {
    const { web, extensions } = await lying(reply)
    const failure = await failureOf(web.getServiceTicket('orders'))
    expect(failure).toMatchObject({ code: 'unavailable', final: false })
    expect(extensions()).toBe('')
  })
})
