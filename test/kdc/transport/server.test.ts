import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type Limits, REFUSALS_LOGGED } from '../../../kdc/limits/defaults.js'
import { type KdcSettings, type RunningKdc, startKdc } from '../../../kdc/main.js'
import type { Store } from '../../../kdc/store/store.js'
import { encodeCall } from '../../../shared/channel/calls.js'
import { LIMIT, TYPE } from '../../../shared/constants.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { isError, openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { createAsRequest, openAsReply } from '../../../shared/exchange/as.js'
import { createParamsRequest, decodeParamsReply } from '../../../shared/exchange/params.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { type Identity, local, stranger, type TestRealm, testRealm } from '../../support/realm.js'
import { turns } from '../../support/turns.js'
import { openingOf, TestChannel, TestSocket } from '../socket.js'

/** Behind one address. */
const CLIENTS = process.env.ORTHRUS_SLOW === '1' ? 1_000 : 300

interface Scene extends TestRealm {
  readonly kdc: RunningKdc
  connect(options?: object, protocol?: string): Promise<TestSocket>
}

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function scene(
  limits: Partial<Limits> = {},
  settings: KdcSettings = {},
  wrap = (store: Store): Store => store,
): Promise<Scene> {
  const realm = await testRealm()
  const { masterKey, clock, logger } = realm
  const store = wrap(realm.store)
  const own = { store, masterKey, clock, timers: clock, logger, limits, listen: { port: 0 } }
  const kdc = await startKdc({ ...own, ...settings })
  closing.push(() => kdc.close())
  return {
    ...realm,
    kdc,
    connect: async (options, protocol) => {
      const socket = await TestSocket.open(kdc.url, options, protocol)
      closing.push(() => socket.close())
      return socket
    },
  }
}

const PARAMS = createParamsRequest(local('web'))

/** Asks until something comes back; its content does not matter. */
async function isServed(socket: TestSocket, id = 1): Promise<boolean> {
  return (await socket.ask(id, PARAMS))[1] === TYPE.PARAMS_REP
}

/** Resolves when the KDC has read everything that was sent before. */
async function reached({ socket }: TestSocket): Promise<void> {
  const answered = new Promise(resolve => socket.once('pong', resolve))
  socket.ping()
  await answered
}

async function loginOver(
  realm: Scene,
  socket: TestSocket,
  client: Identity,
  id = 1,
): Promise<readonly Grant[]> {
  const request = createAsRequest(client.key, {
    client: client.principal,
    kvno: client.kvno,
    time: realm.clock.now(),
    nonce: systemRandom(16),
    services: [local('kdc')],
    lifetime: 0,
    renewable: false,
  })
  return openAsReply(client.key, request, await socket.ask(id, request.bytes)).grants
}

/** The KDC's answer to a login under a wrong key. */
async function guessOver(realm: Scene, socket: TestSocket, name = 'admin@demo.example'): Promise<string> {
  const { principal, kvno, key } = stranger(name)
  const question = { client: principal, kvno, time: realm.clock.now(), nonce: systemRandom(16) }
  const { bytes } = createAsRequest(key, { ...question, services: [], lifetime: 0, renewable: false })
  return openUnauthenticatedError(await socket.ask(9, bytes)).code
}

async function kdcTicket(realm: Scene, socket: TestSocket, id = 1): Promise<Grant> {
  const [, grant] = await loginOver(realm, socket, realm.admin, id)
  if (grant === undefined) throw new Error('denied')
  return grant
}

/** A bare connection. */
function tcp({ kdc }: Scene): Promise<{ socket: Socket; text: () => string; ended: Promise<void> }> {
  return new Promise((resolve, reject) => {
    const socket = connect(kdc.address.port, '127.0.0.1')
    let received = ''
    socket.on('data', data => {
      received += data.toString('latin1')
    })
    const ended = new Promise<void>(done => socket.on('close', () => done()))
    socket.on('error', reject)
    socket.on('connect', () => resolve({ socket, text: () => received, ended }))
    closing.push(() => socket.destroy())
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

async function handshake(realm: Scene, ...headers: string[]): Promise<string> {
  const { socket, text, ended } = await tcp(realm)
  socket.write(`${[...HANDSHAKE, ...headers].join('\r\n')}\r\n\r\n`)
  await Promise.race([ended, new Promise(resolve => socket.once('data', resolve))])
  return text().split('\r\n')[0] ?? ''
}

describe('a handshake', () => {
  const PROTOCOL = 'Sec-WebSocket-Protocol: orthrus.v1'

  it.each([
    ['as it should be', [PROTOCOL], '101'],
    ['with other subprotocols beside', ['Sec-WebSocket-Protocol: x, orthrus.v1'], '101'],
    ['without the subprotocol', [], '400'],
    ['with another subprotocol', ['Sec-WebSocket-Protocol: orthrus.v2'], '400'],
    ['from a page of some site', [PROTOCOL, 'Origin: https://evil.example'], '403'],
    ['from a page of no site', [PROTOCOL, 'Origin: null'], '403'],
    ['from a page that may', [PROTOCOL, 'Origin: https://console.example'], '101'],
    [
      'from a page whose name only begins so',
      [PROTOCOL, 'Origin: https://console.example.evil.example'],
      '403',
    ],
    ['of another version of WebSocket', [PROTOCOL, 'Sec-WebSocket-Version: 12'], '400'],
  ])('%s: %j', async (_, headers, expected) => {
    const realm = await scene({}, { allowedOrigins: ['https://console.example'] })
    expect(await handshake(realm, ...headers)).toContain(` ${expected} `)
  })

  it('is refused behind another request, whose answer would come in the middle of the WebSocket', async () => {
    const realm = await scene()
    const { socket, text, ended } = await tcp(realm)
    const upgrade = `${[...HANDSHAKE, PROTOCOL].join('\r\n')}\r\n\r\n`
    socket.write(`GET /health HTTP/1.1\r\nHost: kdc\r\n\r\n${upgrade}`)
    await ended
    expect(text()).not.toContain(' 101 ')
    expect(await isServed(await realm.connect())).toBe(true)
  })

  it('agrees to no compression', async () => {
    const socket = await (await scene()).connect({ perMessageDeflate: true })
    expect(socket.socket.extensions).toBe('')
    expect(await isServed(socket)).toBe(true)
  })

  it('is cut when it takes too long, whether silent, slow or large', async () => {
    const realm = await scene({ handshake: 400 })
    const silent = await tcp(realm)
    const slow = await tcp(realm)
    slow.socket.write('GET / HTTP/1.1\r\nX: ')
    const large = await tcp(realm)
    large.socket.write(`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`)
    const body = await tcp(realm)
    body.socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n')
    await Promise.all([silent.ended, slow.ended, large.ended, body.ended])
    // On a busy machine even an honest handshake may take longer than this limit.
    await expect.poll(() => realm.connect().then(isServed, () => false)).toBe(true)
  })

  it('leaves the connection open if it was in time', async () => {
    const realm = await scene({ handshake: 1_000 })
    const socket = await realm.connect()
    const other = await tcp(realm)
    await other.ended
    expect(await isServed(socket)).toBe(true)
  })
})

describe('plain HTTP', () => {
  it.each([
    ['GET', '/', 426],
    ['POST', '/health', 426],
    ['GET', '/health?x', 426],
    ['GET', '/health', 200],
  ])('%s %s: %d', async (method, path, status) => {
    const realm = await scene()
    const response = await fetch(`http://127.0.0.1:${realm.kdc.address.port}${path}`, { method })
    expect(response.status).toBe(status)
    const text = await response.text()
    if (status === 200) expect(JSON.parse(text)).toEqual({ status: 'ok' })
    else expect(text).toContain('orthrus.v1')
  })

  it('says when the store is not well', async () => {
    let broken = false
    const realm = await scene({}, {}, store => ({
      get: (kind, name) => (broken ? Promise.reject(new Error('disk')) : store.get(kind, name)),
      commit: changes => store.commit(changes),
      list: (kind, page) => store.list(kind, page),
      watch: listener => store.watch(listener),
      snapshot: () => store.snapshot(),
      compact: () => store.compact(),
      close: () => store.close(),
    }))
    broken = true
    const response = await fetch(`http://127.0.0.1:${realm.kdc.address.port}/health`)
    expect([response.status, await response.json()]).toEqual([503, { status: 'unavailable' }])
  })
})

describe('frames', () => {
  it('are each answered under their own id, in any order', async () => {
    const socket = await (await scene()).connect()
    const ids = [0, 1, 2 ** 32 - 1, 77]
    const answers = await Promise.all(ids.map(id => socket.ask(id, createParamsRequest(local(`p${id}`)))))
    const salts = answers.map(bytes => Buffer.from(decodeParamsReply(bytes).salt).toString('hex'))
    expect(new Set(salts).size).toBe(4)
    expect(await isServed(socket, 77)).toBe(true)
  })

  it.each<[string, (socket: TestSocket) => void, number]>([
    ['text', socket => socket.socket.send('hello'), 1003],
    ['too short for an id', socket => socket.socket.send(new Uint8Array(3)), 1002],
    ['empty', socket => socket.socket.send(new Uint8Array()), 1002],
    ['giant', socket => socket.socket.send(new Uint8Array(LIMIT.MESSAGE_BYTES + 5)), 1009],
    [
      'giant in pieces',
      socket => {
        for (let i = 0; i < 5; i++) socket.socket.send(new Uint8Array(16_384), { fin: false, binary: true })
      },
      1009,
    ],
    [
      'in many pieces',
      socket => {
        for (let i = 0; i < 9; i++) socket.socket.send(new Uint8Array(1), { fin: false, binary: true })
      },
      1008,
    ],
    [
      'an id in use again',
      socket => {
        for (let i = 0; i < 2; i++) socket.send(1, PARAMS)
      },
      1008,
    ],
  ])('close their connection, and no other: %s', async (_, send, code) => {
    const realm = await scene()
    const [bad, good] = [await realm.connect(), await realm.connect()]
    send(bad)
    expect((await bad.closed).code).toBe(code)
    expect(await isServed(good)).toBe(true)
  })

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'malformed'],
    ['garbage', new Uint8Array(100).fill(0xff), 'unsupported_version'],
    ['as large as a frame may be', new Uint8Array(LIMIT.MESSAGE_BYTES).fill(1), 'malformed'],
    ['a reply', new Uint8Array([1, TYPE.AS_REP, 0]), 'malformed'],
    ['an AP-OPEN of garbage', new Uint8Array([1, TYPE.AP_OPEN, 0x90]), 'malformed'],
    ['a RECORD of another version', new Uint8Array([2, TYPE.RECORD, 0]), 'unsupported_version'],
  ])('that hold %s are answered', async (_, message, code) => {
    const socket = await (await scene()).connect()
    expect(openUnauthenticatedError(await socket.ask(5, message)).code).toBe(code)
    expect(await isServed(socket)).toBe(true)
  })

  it('of RECORDs under an unknown id are ignored', async () => {
    const socket = await (await scene()).connect()
    for (let id = 0; id < 5; id++) socket.send(id, new Uint8Array([1, TYPE.RECORD, ...systemRandom(50)]))
    expect(await isServed(socket)).toBe(true)
  })

  it('that are random never stop the KDC', async () => {
    const realm = await scene()
    for (let i = 0; i < 30; i++) {
      const socket = await realm.connect()
      for (let j = 0; j < 20; j++) {
        const bytes = systemRandom(1 + ((i * 20 + j) % 200))
        if (j % 2 === 0) bytes.set([0, 0, i, j, 1, 1 + (j % 14)].slice(0, bytes.length))
        socket.socket.send(bytes)
      }
      socket.socket.close()
      await socket.closed
    }
    expect(await isServed(await realm.connect())).toBe(true)
  })
})

/** A store whose reads wait while the test holds them. */
function gated() {
  let open: () => void = () => {}
  let gate: Promise<void> | undefined
  const wrap = (store: Store): Store => ({
    get: async (kind, name) => {
      await gate
      return store.get(kind, name)
    },
    commit: changes => store.commit(changes),
    list: (kind, page) => store.list(kind, page),
    watch: listener => store.watch(listener),
    snapshot: () => store.snapshot(),
    compact: () => store.compact(),
    close: () => store.close(),
  })
  const hold = (): void => {
    gate = new Promise(resolve => {
      open = resolve
    })
  }
  const release = (): void => {
    gate = undefined
    open()
  }
  return { wrap, hold, release }
}

describe('one connection', () => {
  it('has a limited number of requests answered at a time, and loses none of the others', async () => {
    const { wrap, hold, release } = gated()
    let reads = 0
    const counting = (store: Store): Store => {
      const held = wrap(store)
      return {
        ...held,
        get: (kind, name) => {
          reads += 1
          return held.get(kind, name)
        },
      }
    }
    const realm = await scene({ concurrency: 4, params: { points: 1_000, interval: 60_000 } }, {}, counting)
    const socket = await realm.connect()
    await isServed(socket)
    const other = await realm.connect()
    const before = reads
    hold()
    const answers = Array.from({ length: 300 }, (_, i) => socket.ask(i, createParamsRequest(local(`p${i}`))))
    const elsewhere = other.ask(1, createParamsRequest(local('q')))
    while (reads < before + 5) await new Promise(resolve => setImmediate(resolve))
    for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve))
    expect(reads).toBe(before + 5)
    release()
    expect((await elsewhere)[1]).toBe(TYPE.PARAMS_REP)
    expect((await Promise.all(answers)).every(bytes => bytes[1] === TYPE.PARAMS_REP)).toBe(true)
  })

  it('that floods does not keep another from being served', async () => {
    const realm = await scene({ params: { points: 1_000_000, interval: 60_000 } })
    const [flooding, honest] = [await realm.connect(), await realm.connect()]
    await isServed(honest)
    let flooded = 0
    flooding.socket.on('message', () => {
      flooded += 1
    })
    for (let i = 0; i < 5_000; i++) flooding.send(i, PARAMS)
    const last = flooding.next(4_999)
    expect(await isServed(honest, 2)).toBe(true)
    expect(flooded).toBeLessThan(5_000)
    await last
    expect(flooded).toBe(5_000)
  })

  it('that does not read its answers is no longer read, and is cut in the end', async () => {
    const realm = await scene({ ping: 200 })
    const claims = [['a', 'x'.repeat(2_000)]] as const
    for (let i = 0; i < 99; i++) await realm.allow(`c${i}`, 'web', { claims })
    const socket = await realm.connect()
    const channel = await TestChannel.open(socket, 2, await kdcTicket(realm, socket), {
      time: realm.clock.now(),
    })
    const served = (): number => realm.logger.lines.filter(({ fields }) => fields.method === 'policy').length
    await channel.call('policy', [null, 100])
    socket.socket.pause()
    // 200 KiB each: far more than the operating system keeps for a peer that does not read.
    const asked = 400
    for (let n = 2; n < asked; n++) channel.say(encodeCall({ n, method: 'policy', args: [null, 100] }))
    while (realm.kdc.connections > 0) {
      await turns(100)
      realm.clock.advance(200)
    }
    expect(served()).toBeGreaterThan(1)
    expect(served()).toBeLessThan(asked / 2)
    expect(await isServed(await realm.connect())).toBe(true)
  })

  it('that answers no ping is cut, and one that does is not', async () => {
    const realm = await scene({ ping: 50 })
    const socket = await realm.connect({ autoPong: false })
    const other = await realm.connect()
    const pinged = new Promise(resolve => other.socket.once('ping', resolve))
    realm.clock.advance(50)
    await pinged
    await reached(other)
    realm.clock.advance(50)
    expect((await socket.closed).code).toBe(1006)
    expect(await isServed(other)).toBe(true)
  })

  it('is pinged in its turn, not together with all others', async () => {
    const realm = await scene({ ping: 500 })
    const sockets = [await realm.connect(), await realm.connect()]
    const pinged: number[] = []
    for (const [i, { socket }] of sockets.entries()) socket.on('ping', () => pinged.push(i))
    realm.clock.advance(250)
    for (const expected of [[0], [0, 1], [0, 1, 0]]) {
      realm.clock.advance(250)
      for (const socket of sockets) await reached(socket)
      expect(pinged).toEqual(expected)
    }
  })

  it('that asks nothing for long is closed, one with a channel is not', async () => {
    const realm = await scene({ ping: 400, idle: 1_000 })
    const idle = await realm.connect()
    const busy = await realm.connect()
    const channel = await TestChannel.open(busy, 9, await kdcTicket(realm, busy), { time: realm.clock.now() })
    await channel.call('list', [null, 1])
    realm.clock.pass(1_001)
    realm.clock.advance(0)
    expect(await idle.closed).toEqual({ code: 1001, reason: 'idle' })
    expect(busy.isClosed).toBe(false)
    expect(await channel.call('list', [null, 1])).toHaveProperty('results')
  })
})

describe('connections', () => {
  it('are limited, and a newcomer takes the place of the oldest unproved one, even of a handshake under way', async () => {
    const realm = await scene({ connections: 3 })
    const bare = await tcp(realm)
    const first = await realm.connect()
    await loginOver(realm, first, realm.admin)
    const second = await realm.connect()
    const third = await realm.connect()
    await bare.ended
    const fourth = await realm.connect()
    expect((await second.closed).code).toBe(1006)
    for (const socket of [first, third, fourth]) expect(await isServed(socket, 5)).toBe(true)
    expect(realm.kdc.connections).toBe(3)
  })

  it('are refused only if all are clients’, and another is accepted when one goes', async () => {
    const realm = await scene({ connections: 1 })
    const first = await realm.connect()
    await loginOver(realm, first, realm.admin)
    await expect(realm.connect()).rejects.toThrow()
    first.socket.close()
    await first.closed
    await expect.poll(() => realm.connect().then(isServed, () => false)).toBe(true)
  })

  it('make room for others of their address, the oldest unproved one first, even handshakes under way', async () => {
    const realm = await scene({ connectionsPerAddress: 2 })
    const oldest = await realm.connect()
    const bare = await tcp(realm)
    const third = await realm.connect()
    expect((await oldest.closed).code).toBe(1006)
    await realm.connect()
    await bare.ended
    expect(await isServed(third)).toBe(true)
  })

  it('over which a key was proved make room only for others of their client', async () => {
    const realm = await scene({ connectionsPerAddress: 1, connectionsPerClient: 2 })
    const proved: TestSocket[] = []
    for (let i = 0; i < 2; i++) {
      const socket = await realm.connect()
      await loginOver(realm, socket, realm.admin)
      proved.push(socket)
    }
    for (let i = 0; i < 3; i++) await realm.connect()
    for (const socket of proved) expect(await isServed(socket, 5)).toBe(true)
    const last = await realm.connect()
    await loginOver(realm, last, realm.admin)
    expect((await proved[0]?.closed)?.code).toBe(1006)
    expect(await isServed(last, 5)).toBe(true)
  })

  it('count as proved by no request that somebody repeats', async () => {
    const realm = await scene({ connectionsPerAddress: 1 })
    const [owner, listener] = [await realm.connect(), await realm.connect()]
    expect((await owner.closed).code).toBe(1006)
    const { principal, kvno, key } = realm.admin
    const question = { client: principal, kvno, time: realm.clock.now(), nonce: systemRandom(16) }
    const { bytes } = createAsRequest(key, { ...question, services: [], lifetime: 0, renewable: false })
    await listener.ask(1, bytes)
    const repeating = await realm.connect()
    expect((await repeating.ask(1, bytes))[1]).toBe(TYPE.AS_REP)
    await realm.connect()
    expect((await repeating.closed).code).toBe(1006)
    expect(await isServed(listener, 2)).toBe(true)
  })

  it('of very many clients behind one address are all served, though somebody there guesses and connects without end', async () => {
    const realm = await scene({ connectionsPerAddress: 20 }, { trustedProxies: ['127.0.0.1'] })
    const clients: Identity[] = []
    for (let i = 0; i < CLIENTS; i++) clients.push(await realm.add(`c${i}`))
    const headers = { 'x-forwarded-for': '198.51.100.1' }
    const served = new Set<number>()
    for (const [i, client] of clients.entries()) {
      if (i % 20 === 0) {
        const guesser = await realm.connect({ headers })
        for (let j = 0; j < 5; j++) await guessOver(realm, guesser, client.principal)
      }
      const socket = await realm.connect({ headers })
      served.add((await loginOver(realm, socket, client)).length)
    }
    expect(served).toEqual(new Set([2]))
    expect(realm.kdc.connections).toBeGreaterThanOrEqual(CLIENTS)
  })

  it('that are too many are logged a limited number of times', async () => {
    const realm = await scene({ connections: 1 })
    await loginOver(realm, await realm.connect(), realm.admin)
    const many = Array.from({ length: 2 * REFUSALS_LOGGED.points }, () =>
      realm.connect().catch(() => 'refused'),
    )
    expect(new Set(await Promise.all(many))).toEqual(new Set(['refused']))
    const warnings = realm.logger.lines.filter(({ level }) => level === 'warn')
    expect(warnings).toHaveLength(REFUSALS_LOGGED.points + 1)
  })

  it('count for the address that a proxy reports, if that was asked for', async () => {
    const addressOf: NonNullable<KdcSettings['addressOf']> = request => String(request.headers['x-client'])
    const realm = await scene(
      { connectionsPerAddress: 1, failedLogins: { points: 1, interval: 60_000 } },
      { addressOf },
    )
    const first = await realm.connect({ headers: { 'x-client': 'one' } })
    const two = await realm.connect({ headers: { 'x-client': 'two' } })
    const one = await realm.connect({ headers: { 'x-client': 'one' } })
    await first.closed
    await expect(guessOver(realm, one)).resolves.toBe('auth_failed')
    await expect(guessOver(realm, one)).resolves.toBe('rate_limited')
    await expect(guessOver(realm, two)).resolves.toBe('auth_failed')
    expect(await loginOver(realm, two, realm.admin, 2)).toHaveLength(2)
  })

  it('count for the address in a trusted proxy’s headers, and are refused if these differ', async () => {
    const realm = await scene({ connectionsPerAddress: 1 }, { trustedProxies: ['127.0.0.0/8'] })
    const from = (header: string) => realm.connect({ headers: { 'x-forwarded-for': header } })
    const one = await from('198.51.100.1')
    const other = await from('198.51.100.2')
    await from('203.0.113.1, 198.51.100.1')
    expect((await one.closed).code).toBe(1006)
    const headers = { 'x-forwarded-for': '198.51.100.3', forwarded: 'for=198.51.100.4' }
    await expect(realm.connect({ headers })).rejects.toThrow()
    expect(realm.logger.lines.at(-1)?.fields).toMatchObject({ reason: 'its proxy sends no address' })
    expect(await loginOver(realm, other, realm.admin)).toHaveLength(2)
  })

  it('trust no header without a list of proxies', async () => {
    const realm = await scene({ connectionsPerAddress: 1 })
    const first = await realm.connect({ headers: { 'x-forwarded-for': '198.51.100.1' } })
    await realm.connect({ headers: { 'x-forwarded-for': '198.51.100.2' } })
    expect((await first.closed).code).toBe(1006)
  })

  it('count for the network that a proxy reports, and are refused if it reports none', async () => {
    const addressOf: NonNullable<KdcSettings['addressOf']> = request => {
      const told = request.headers['x-client']
      if (typeof told !== 'string') throw new Error('the proxy says nothing')
      return told
    }
    const realm = await scene({ connectionsPerAddress: 1 }, { addressOf })
    const one = await realm.connect({ headers: { 'x-client': '2001:db8:1:2:3::1' } })
    const two = await realm.connect({ headers: { 'x-client': '2001:db8:1:2:4::2' } })
    await one.closed
    await expect(realm.connect()).rejects.toThrow()
    await expect(realm.connect({ headers: { 'x-client': 'x'.repeat(129) } })).rejects.toThrow()
    expect(await loginOver(realm, two, realm.admin)).toHaveLength(2)
  })

  it('share the failed logins of their address, while tickets go on being served', async () => {
    const realm = await scene({ failedLogins: { points: 2, interval: 60_000 } })
    const [one, two] = [await realm.connect(), await realm.connect()]
    const grant = await kdcTicket(realm, one)
    for (const socket of [one, two]) await expect(guessOver(realm, socket)).resolves.toBe('auth_failed')
    await expect(guessOver(realm, two)).resolves.toBe('rate_limited')
    expect(await loginOver(realm, two, realm.admin, 2)).toHaveLength(2)
    const channel = await TestChannel.open(two, 3, grant, { time: realm.clock.now() })
    expect(await channel.call('list', [null, 1])).toHaveProperty('results')
  })
})

describe('channels over the wire', () => {
  it('work side by side, each with records of its own', async () => {
    const realm = await scene()
    const socket = await realm.connect()
    const grant = await kdcTicket(realm, socket)
    const one = await TestChannel.open(socket, 2, grant, { time: realm.clock.now() })
    const two = await TestChannel.open(socket, 3, grant, { time: realm.clock.now() })
    const answers = await Promise.all([one.call('list', [null, 2]), two.call('show', [local('admin')])])
    expect(answers).toMatchObject([{ results: [{ length: 2 }] }, { results: [{ 0: local('admin') }] }])
    for (const record of one.records.sealMessage(encodeCall({ n: 9, method: 'list', args: [null, 1] })))
      socket.send(3, record)
    await expect(two.hear()).rejects.toThrow('broken')
    expect(await one.socket.ask(4, PARAMS)).toBeDefined()
  })

  it('belong to their connection', async () => {
    const realm = await scene()
    const [socket, other] = [await realm.connect(), await realm.connect()]
    const grant = await kdcTicket(realm, socket)
    const channel = await TestChannel.open(socket, 2, grant, { time: realm.clock.now() })
    for (const record of channel.records.sealMessage(
      encodeCall({ n: 1, method: 'remove', args: [local('web')] }),
    ))
      other.send(2, record)
    expect(await isServed(other)).toBe(true)
    const { request, key } = openingOf(grant, { time: realm.clock.now() })
    const accept = await socket.ask(3, request.bytes)
    const replayed = await other.ask(3, request.bytes)
    expect(isError(replayed)).toBe(true)
    const second = TestChannel.complete(socket, 3, request, key, accept)
    expect(await second.call('list', [null, 1])).toHaveProperty('results')
  })

  it('keep their id until they end', async () => {
    const realm = await scene()
    const socket = await realm.connect()
    const channel = await TestChannel.open(socket, 2, await kdcTicket(realm, socket), {
      time: realm.clock.now(),
    })
    socket.send(2, channel.records.sealEnd())
    await expect(channel.hear()).rejects.toThrow('ended')
    expect(await isServed(socket, 2)).toBe(true)
    await TestChannel.open(socket, 2, await kdcTicket(realm, socket), { time: realm.clock.now() })
    socket.send(2, PARAMS)
    expect((await socket.closed).code).toBe(1008)
  })

  it('are limited for one connection', async () => {
    const realm = await scene({ channels: 2 })
    const socket = await realm.connect()
    const grant = await kdcTicket(realm, socket)
    for (const id of [2, 3])
      await (await TestChannel.open(socket, id, grant, { time: realm.clock.now() })).call('list', [null, 1])
    const { request } = openingOf(grant, { time: realm.clock.now() })
    expect(openUnauthenticatedError(await socket.ask(4, request.bytes)).code).toBe('rate_limited')
  })
})

describe('closing', () => {
  it('answers what is under way, ends the channels, closes the store, and accepts nothing more', async () => {
    const { wrap, hold, release } = gated()
    let closed = 0
    const realm = await scene({}, {}, store => ({
      ...wrap(store),
      close: async () => {
        closed += 1
      },
    }))
    const socket = await realm.connect()
    const channel = await TestChannel.open(socket, 2, await kdcTicket(realm, socket), {
      time: realm.clock.now(),
    })
    await channel.call('list', [null, 1])
    hold()
    const answer = socket.ask(5, createParamsRequest(local('q')))
    const other = await realm.connect()
    const order: string[] = []
    void answer.then(() => order.push('answered'))
    void socket.closed.then(() => order.push('closed'))
    await reached(socket)
    const done = Promise.all([realm.kdc.close(), realm.kdc.close()])
    expect((await other.closed).code).toBe(1001)
    expect(closed).toBe(0)
    release()
    expect((await answer)[1]).toBe(TYPE.PARAMS_REP)
    await expect(channel.hear()).rejects.toThrow('ended')
    expect((await socket.closed).code).toBe(1001)
    await done
    expect(order).toEqual(['answered', 'closed'])
    expect(closed).toBe(1)
    await expect(TestSocket.open(realm.kdc.url)).rejects.toThrow()
  })

  it('cuts what does not end in time', async () => {
    const { wrap, hold, release } = gated()
    const realm = await scene({ drain: 50 }, {}, wrap)
    const socket = await realm.connect()
    const bare = await tcp(realm)
    await isServed(socket)
    hold()
    socket.send(1, createParamsRequest(local('q')))
    await reached(socket)
    const done = realm.kdc.close()
    await turns()
    realm.clock.advance(49)
    await turns()
    expect(socket.isClosed).toBe(false)
    realm.clock.advance(1)
    await Promise.all([socket.closed, bare.ended])
    release()
    await done
  })
})
