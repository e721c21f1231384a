import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { requireTicket, type TicketHandler } from '../../../service/index.js'
import { MINUTE } from '../../../shared/time.js'
import { START } from '../../support/clock.js'
import { Connection, formatRequest } from '../connection.js'
import {
  expectProved,
  expectRefused,
  headerOf,
  type RunningRealm,
  type SignedRequest,
  startRealm,
} from '../realm.js'

/** The four ways in which handlers and body parsers read, each giving all it read. */
const readers: Record<string, (req: IncomingMessage) => Promise<Buffer>> = {
  "listeners to 'data'": req =>
    new Promise((resolve, reject) => {
      const pieces: Buffer[] = []
      req.on('data', piece => pieces.push(piece))
      req.on('end', () => resolve(Buffer.concat(pieces))).on('error', reject)
    }),
  'for await': async req => {
    const pieces: Buffer[] = []
    for await (const piece of req) pieces.push(piece)
    return Buffer.concat(pieces)
  },
  pipe: req => buffer(req.pipe(new PassThrough())),
  "listeners to 'readable'": req =>
    new Promise((resolve, reject) => {
      const pieces: Buffer[] = []
      req.on('readable', () => {
        for (let piece = req.read(); piece !== null; piece = req.read()) pieces.push(piece)
      })
      req.on('end', () => resolve(Buffer.concat(pieces))).on('error', reject)
    }),
}

const later = () => new Promise<void>(resolve => setImmediate(resolve))

function chunked(request: SignedRequest, pieces: readonly Uint8Array[], trailers = ''): Buffer {
  const { body: _, ...head } = request
  const headers = [...head.headers, ['transfer-encoding', 'chunked'] as const]
  const chunks = pieces.flatMap(piece => [
    Buffer.from(`${piece.length.toString(16)}\r\n`),
    piece,
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([formatRequest({ ...head, headers }), ...chunks, Buffer.from(`0\r\n${trailers}\r\n`)])
}

function startEcho(
  read: (req: IncomingMessage) => Promise<Buffer>,
  before = async () => {},
): Promise<RunningRealm> {
  const handler: TicketHandler = async (req, res) => {
    await before()
    res.end(await read(req))
  }
  return startRealm({ handler })
}

const bodies = {
  'an empty body': Buffer.alloc(0),
  'a small body': Buffer.from('{"sku":1}'),
  'a body of several reads': Buffer.alloc(700_000, 'orders '),
}

describe.each(Object.entries(readers))('a body read by %s', (_, read) => {
  describe.each(Object.entries(bodies))('%s', (__, body) => {
    it('of a known length is complete', async () => {
      const realm = await startEcho(read)
      const request = realm.sign({ method: 'POST', body })
      const response = await realm.send(request)
      expect(response.body.equals(body)).toBe(true)
      expectProved(response, request)
    })

    it('in chunks is complete', async () => {
      const realm = await startEcho(read)
      const request = realm.sign({ method: 'POST', body })
      const half = body.length >> 1
      const pieces = [body.subarray(0, half), body.subarray(half)].filter(piece => piece.length > 0)
      const response = await realm.connect().write(chunked(request, pieces), 'POST').response()
      expect(response.body.equals(body)).toBe(true)
      expectProved(response, request)
    })

    it('read some time later is complete', async () => {
      const realm = await startEcho(read, later)
      const request = realm.sign({ method: 'POST', body })
      const response = await realm
        .connect()
        .write(chunked(request, body.length > 0 ? [body] : []), 'POST')
        .response()
      expect(response.body.equals(body)).toBe(true)
    })
  })

  it('that is empty ends immediately', async () => {
    const realm = await startEcho(read)
    const response = await realm.send(realm.sign())
    expect(response.status).toBe(200)
    expect(response.body).toHaveLength(0)
  })

  it('that comes byte by byte is complete', async () => {
    const realm = await startEcho(read)
    const body = Buffer.from('{"sku":1}')
    const request = realm.sign({ method: 'POST', body })
    const bytes = chunked(
      request,
      [...body].map(byte => Uint8Array.of(byte)),
    )
    const connection = realm.connect().write('', 'POST')
    for (const byte of bytes) {
      connection.write(Uint8Array.of(byte))
      await connection.flushed()
    }
    const response = await connection.response()
    expect(response.body.equals(body)).toBe(true)
  })

  it('of a pipelined request is its own', async () => {
    const realm = await startEcho(read)
    const requests = ['one', 'two', 'three'].map(text =>
      realm.sign({ method: 'POST', body: Buffer.from(text) }),
    )
    requests.splice(1, 0, realm.sign())
    const connection = realm.connect()
    for (const request of requests) connection.write('', request.method)
    connection.write(Buffer.concat(requests.map(formatRequest)))
    for (const request of requests) {
      const response = await connection.response()
      expect(response.body.toString()).toBe(request.body?.toString() ?? '')
      expectProved(response, request)
    }
  })
})

describe('a body that the handler does not read', () => {
  it('arrives as if nobody had looked at it', async () => {
    const seen: unknown[] = []
    const realm = await startRealm({
      handler: (req, res) => {
        seen.push(req.readableFlowing, req.readableEnded, req.destroyed, req.listenerCount('readable'))
        seen.push(req.listenerCount('close'), req.listenerCount('error'), req.readableLength)
        res.end()
      },
    })
    await realm.send(realm.sign({ method: 'POST', body: Buffer.from('pay 1') }))
    expect(seen).toEqual([null, false, false, 0, 0, 0, 5])
  })

  it('counts as unread until somebody reads it, for those that make a fetch Request of it', async () => {
    const seen: boolean[] = []
    const realm = await startRealm({
      handler: async (req, res) => {
        seen.push(req.readableDidRead)
        const web = new Request('http://127.0.0.1/', {
          method: 'POST',
          body: Readable.toWeb(req) as ReadableStream,
          duplex: 'half',
        } as RequestInit)
        const text = await web.text()
        seen.push(req.readableDidRead)
        res.end(text)
      },
    })
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    expect((await realm.send(request)).body.toString()).toBe('pay 1')
    expect(seen).toEqual([false, true])
  })

  it('does not hinder the next request', async () => {
    const realm = await startRealm()
    const connection = realm.connect()
    for (const body of [Buffer.alloc(300_000, 'x'), Buffer.from('y'), Buffer.alloc(0)]) {
      const request = realm.sign({ method: 'POST', body })
      expectProved(await connection.write(formatRequest(request), 'POST').response(), request)
      const chunks = realm.sign({ method: 'POST', body })
      const bytes = chunked(chunks, body.length > 0 ? [body] : [])
      expectProved(await connection.write(bytes, 'POST').response(), chunks)
    }
  })
})

describe('a body that is not the one sent', () => {
  it.each([
    ['changed', Buffer.from('pay 9')],
    ['cut', Buffer.from('pay')],
    ['longer', Buffer.from('pay 11')],
    ['taken away', undefined],
  ])('%s: binding_mismatch, and the original afterwards is a replay', async (_, body) => {
    const realm = await startRealm()
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    const { body: __, ...head } = request
    expectRefused(await realm.send(body ? { ...head, body } : head), request, 'binding_mismatch', '06')
    expectRefused(await realm.send(request), request, 'replay', '06')
    expect(realm.handled).toHaveLength(0)
  })

  it('does not cost the connection, since it was read', async () => {
    const realm = await startRealm()
    const connection = realm.connect()
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    const changed = formatRequest({ ...request, body: Buffer.from('pay 9') })
    expectRefused(await connection.write(changed, 'POST').response(), request, 'binding_mismatch', '06')
    const next = realm.sign()
    expectProved(await connection.write(formatRequest(next), 'GET').response(), next)
  })
})

describe('a body over the limit', () => {
  it('that is exactly at the limit passes', async () => {
    const realm = await startRealm({ maxBody: 1000 })
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(1000) })
    expectProved(await realm.send(request), request)
  })

  it('by its announced length is too_large before any of it is read, and the connection closes', async () => {
    const realm = await startRealm({ maxBody: 1000 })
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(1001) })
    const connection = realm.connect()
    const bytes = formatRequest(request)
    const response = await connection.write(bytes.subarray(0, -1001), 'POST').response()
    expectRefused(response, request, 'too_large', '06')
    expect(headerOf(response, 'connection')).toBe('close')
    connection.write(bytes.subarray(-1001))
    await connection.closed()
    expectRefused(await realm.send(request), request, 'replay', '06')
  })

  it('in chunks is too_large when it passes the limit, and the connection closes', async () => {
    const realm = await startRealm({ maxBody: 1000 })
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(1200) })
    const bytes = chunked(request, [Buffer.alloc(600), Buffer.alloc(600)])
    const connection = realm.connect().write(bytes.subarray(0, -5), 'POST')
    const response = await connection.response()
    expectRefused(response, request, 'too_large', '06')
    expect(headerOf(response, 'connection')).toBe('close')
    connection.write(bytes.subarray(-5))
    await connection.closed()
  })

  it('that is complete before it is looked at is too_large, and the connection closes', async () => {
    const admit = async () => {
      await later()
      return { now: START + 7_000, floor: 0 }
    }
    const realm = await startRealm({ maxBody: 1000, load: { replayCache: { admit } } })
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(1200) })
    const connection = realm.connect().write(chunked(request, [Buffer.alloc(1200)]), 'POST')
    const response = await connection.response()
    expectRefused(response, request, 'too_large', '06')
    expect(headerOf(response, 'connection')).toBe('close')
    await connection.closed()
  })

  it('is too_large over the default of 1 MiB', async () => {
    const realm = await startRealm()
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(1024 * 1024 + 1) })
    expectRefused(await realm.send(request), request, 'too_large', '06')
  })
})

describe('the rest of a refused body', () => {
  it('is waited for, so that the client gets its answer, but not for ever', async () => {
    const realm = await startRealm()
    const request = realm.sign(
      { method: 'POST', body: Buffer.alloc(500_000) },
      { time: realm.clock.now() + 6_000 },
    )
    const bytes = formatRequest(request)
    const connection = realm.connect()
    connection.write(bytes.subarray(0, 2_000), 'POST')
    expectRefused(await connection.response(), request, 'clock_skew', '06')
    connection.write(bytes.subarray(2_000, 100_000))
    await connection.flushed()
    expect(realm.clock.timers.all).toBe(1)
    realm.clock.advance(2_000)
    await connection.closed()
    expect(realm.clock.timers.all).toBe(0)
  })

  it('is read up to a limit', async () => {
    const realm = await startRealm()
    const connection = realm.connect()
    const headers = [['transfer-encoding', 'chunked']] as const
    connection.write(formatRequest({ method: 'POST', target: '/', headers }), 'POST')
    expect((await connection.response()).status).toBe(401)
    connection.write(`200000\r\n`).write(Buffer.alloc(0x200000))
    await connection.closed()
    expect(realm.clock.timers.all).toBe(0)
  })
})

describe('a body that does not come', () => {
  /** The head, and half of the body, of a request whose body is read. */
  async function startHalf() {
    const realm = await startRealm()
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    const bytes = formatRequest(request)
    const connection = realm.connect().write(bytes.subarray(0, -2), 'POST')
    await expect.poll(() => realm.clock.timers.all, { interval: 1 }).toBe(1)
    return { realm, request, connection, rest: bytes.subarray(-2) }
  }

  it('within 60 s is refused, and the original is too old afterwards', async () => {
    const { realm, request, connection } = await startHalf()
    realm.clock.advance(MINUTE)
    const response = await connection.response()
    expectRefused(response, request, 'binding_mismatch', '06')
    expect(headerOf(response, 'connection')).toBe('close')
    realm.clock.advance(2_000)
    await connection.closed()
    expect(realm.handled).toHaveLength(0)
    expectRefused(await realm.send(request), request, 'clock_skew', '06')
  })

  it('that comes just in time is accepted', async () => {
    const { realm, request, connection, rest } = await startHalf()
    realm.clock.advance(MINUTE - 1)
    expectProved(await connection.write(rest).response(), request)
    expect(realm.clock.timers.all).toBe(0)
  })

  it('in time only by the clock of a machine that slept is refused', async () => {
    const { realm, request, connection, rest } = await startHalf()
    realm.clock.step(MINUTE + 1)
    expectRefused(await connection.write(rest).response(), request, 'binding_mismatch', '06')
    expect(realm.handled).toHaveLength(0)
  })

  it('because the client went away reaches no handler, and leaves no timer', async () => {
    const { realm, connection } = await startHalf()
    connection.destroy()
    await expect.poll(() => realm.clock.timers.all, { interval: 1 }).toBe(0)
    await expect.poll(() => realm.log.lines.length, { interval: 1 }).toBe(1)
    expect(realm.log.lines[0]).toMatchObject({ level: 'debug' })
    expect(realm.handled).toHaveLength(0)
  })

  it('because the client went away before it was looked for reaches no handler either', async () => {
    let aborted = false
    let release: (() => void) | undefined
    const admit = async () => {
      await new Promise<void>(resolve => {
        release = resolve
      })
      return { now: START + 7_000, floor: 0 }
    }
    const realm = await startRealm({
      load: { replayCache: { admit } },
      listener: ({ service, handled }) => {
        const guarded = requireTicket({ service }, req => handled.push(req))
        return (req, res) => {
          req.once('close', () => {
            aborted = true
          })
          guarded(req, res)
        }
      },
    })
    const bytes = formatRequest(realm.sign({ method: 'POST', body: Buffer.from('pay 1') }))
    const connection = realm.connect().write(bytes.subarray(0, -2), 'POST')
    await expect.poll(() => release, { interval: 1 }).toBeDefined()
    connection.destroy()
    await expect.poll(() => aborted, { interval: 1 }).toBe(true)
    release?.()
    await expect.poll(() => realm.log.lines.length, { interval: 1 }).toBe(1)
    expect(realm.log.lines[0]).toMatchObject({ level: 'debug' })
    expect(realm.handled).toHaveLength(0)
    expect(realm.clock.timers.all).toBe(0)
  })

  it('because the application dropped the request leaves no timer', async () => {
    let dropped: IncomingMessage | undefined
    const realm = await startRealm({
      listener: ({ service }) => {
        const guarded = requireTicket({ service }, () => undefined)
        return (req, res) => {
          dropped = req
          guarded(req, res)
        }
      },
    })
    const bytes = formatRequest(realm.sign({ method: 'POST', body: Buffer.from('pay 1') }))
    realm.connect().write(bytes.subarray(0, -2), 'POST')
    await expect.poll(() => realm.clock.timers.all, { interval: 1 }).toBe(1)
    dropped?.destroy()
    await expect.poll(() => realm.clock.timers.all, { interval: 1 }).toBe(0)
  })

  it('is not waited for if the request is refused before', async () => {
    const realm = await startRealm()
    const request = realm.sign(
      { method: 'POST', body: Buffer.from('pay 1') },
      { caveats: [{ name: 'methods', methods: [] }] },
    )
    const connection = realm.connect().write(formatRequest(request).subarray(0, -5), 'POST')
    const response = await connection.response()
    expectRefused(response, request, 'caveat_failed', '06')
    expect(headerOf(response, 'connection')).toBe('close')
  })
})

describe('trailers', () => {
  it('are malformed, and the request cannot be handled later', async () => {
    const realm = await startRealm()
    const body = Buffer.from('pay 1')
    const request = realm.sign({ method: 'POST', body })
    const connection = realm.connect().write(chunked(request, [body], 'x-more: 1\r\n'), 'POST')
    expectRefused(await connection.response(), request, 'malformed', '06')
    expectRefused(await realm.send(request), request, 'replay', '06')
  })

  it('of an empty body are malformed too', async () => {
    const realm = await startRealm()
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(0) })
    const connection = realm.connect().write(chunked(request, [], 'x-more: 1\r\n'), 'POST')
    expectRefused(await connection.response(), request, 'malformed', '06')
  })
})

describe('Expect: 100-continue', () => {
  async function continued(listener: 'request' | 'checkContinue') {
    const realm = await startRealm()
    const guarded = requireTicket({ service: realm.service }, (_req, res) => res.end('taken'))
    const server = createServer(guarded)
    if (listener === 'checkContinue') server.on('checkContinue', guarded)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const connection = new Connection((server.address() as AddressInfo).port)
    onTestFinished(() => connection.destroy())
    const body = Buffer.from('pay 1')
    const request = realm.sign({ method: 'POST', body })
    const bytes = formatRequest({ ...request, headers: [...request.headers, ['expect', '100-continue']] })
    connection.write(bytes.subarray(0, -body.length), 'POST')
    await expect.poll(() => connection.left.toString(), { interval: 1 }).toContain('100 Continue\r\n\r\n')
    const response = await connection.write(body).response()
    expectProved(response, request)
    expect(response.informational).toEqual(['HTTP/1.1 100 Continue'])
  }

  it('is answered by Node', () => continued('request'))
  it('is answered by requireTicket if the server leaves it to its listener', () => continued('checkContinue'))
})

describe('a body that somebody read before', () => {
  it('is a mistake that the log names, and the request is not handled', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const guarded = requireTicket({ service }, (_req, res) => res.end('hello'))
        return (req, res) => void buffer(req).then(() => guarded(req, res))
      },
    })
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    expectRefused(await realm.send(request), request, 'unavailable', '05')
    const [line] = realm.log.lines
    expect(line).toMatchObject({ level: 'error', fields: { err: expect.any(TypeError) } })
  })
})
