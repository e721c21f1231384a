import { once } from 'node:events'
import { createReadStream, readdirSync, readlinkSync } from 'node:fs'
import {
  request as httpRequest,
  IncomingMessage,
  ServerResponse as NodeResponse,
  type ServerResponse,
} from 'node:http'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { TicketHandler } from '../../../service/index.js'
import { formatRequest, type RawResponse } from '../connection.js'
import { expectProved, headerOf, proofOf, type RunningRealm, startRealm } from '../realm.js'

async function answer(
  handler: TicketHandler,
  method = 'GET',
): Promise<{ response: RawResponse; realm: RunningRealm }> {
  const realm = await startRealm({ handler })
  const request = realm.sign({ method })
  const response = await realm.send(request)
  expectProved(response, request)
  return { response, realm }
}

function errorsOf({ log }: RunningRealm): unknown[] {
  return log.lines.filter(({ level }) => level === 'error').map(({ fields }) => fields.reason)
}

describe('the ways to answer', () => {
  const ways: Record<string, [handler: TicketHandler, body: string]> = {
    'end alone': [(_req, res) => res.end(), ''],
    'end with text': [(_req, res) => res.end('caf\u00e9'), 'caf\u00e9'],
    'end with text in another encoding': [(_req, res) => res.end('63616665', 'hex'), 'cafe'],
    'end with bytes': [(_req, res) => res.end(Buffer.from('abc')), 'abc'],
    'end with a callback': [(_req, res) => res.end('abc', () => undefined), 'abc'],
    'several writes': [
      (_req, res) => {
        res.write('a')
        res.write(Buffer.from('b'))
        res.write('Yw==', 'base64')
        res.end('d')
      },
      'abcd',
    ],
    'a write and its own memory used again': [
      (_req, res) => {
        const bytes = Buffer.from('a')
        res.write(bytes, () => {
          bytes.fill('b')
          res.end(bytes)
        })
      },
      'ab',
    ],
    'writes over time': [
      async (_req, res) => {
        res.write('a')
        await new Promise(resolve => setImmediate(resolve))
        res.end('b')
      },
      'ab',
    ],
    'an exact content-length of its own': [
      (_req, res) => res.setHeader('content-length', '3').end('abc'),
      'abc',
    ],
    'chunks that it announces': [
      (_req, res) => res.setHeader('transfer-encoding', 'chunked').end('abc'),
      'abc',
    ],
    'flushed headers': [
      (_req, res) => {
        res.flushHeaders()
        res.end('abc')
      },
      'abc',
    ],
  }
  it.each(Object.entries(ways))('%s', async (_, [handler, body]) => {
    const { response, realm } = await answer(handler)
    expect(response.status).toBe(200)
    expect(response.body.toString()).toBe(body)
    expect(headerOf(response, 'content-length')).toBe(String(Buffer.byteLength(body)))
    expect(headerOf(response, 'transfer-encoding')).toBeUndefined()
    expect(errorsOf(realm)).toEqual([])
  })

  const type = 'text/plain'
  const heads: Record<string, TicketHandler> = {
    'writeHead and an object': (_req, res) =>
      res.writeHead(201, { 'Content-Type': type, 'x-a': ['1', '2'] }).end('a'),
    'writeHead and a flat list': (_req, res) =>
      res.writeHead(201, ['Content-Type', type, 'x-a', '1', 'X-A', '2']).end('a'),
    'writeHead and a list of pairs': (_req, res) =>
      res
        .writeHead(201, [
          ['Content-Type', type],
          ['x-a', '1'],
          ['x-a', '2'],
        ] as never)
        .end('a'),
    'writeHead and a reason': (_req, res) =>
      res.writeHead(201, 'Made', { 'content-type': type, 'x-a': ['1', '2'] }).end('a'),
    'writeHead over what setHeader set': (_req, res) =>
      res
        .setHeader('content-type', 'text/html')
        .writeHead(201, { 'content-type': type, 'x-a': ['1', '2'] })
        .end('a'),
    'implicit headers': (_req, res) => {
      res.statusCode = 201
      res.setHeader('content-type', type)
      res.appendHeader('x-a', '1').appendHeader('x-a', '2')
      res.end('a')
    },
    'a Map of headers': (_req, res) => {
      res.statusCode = 201
      res.setHeaders(
        new Map<string, string | string[]>([
          ['content-type', type],
          ['x-a', ['1', '2']],
        ]) as never,
      )
      res.end('a')
    },
    'a status set after the head was fixed': (_req, res) => {
      res.writeHead(201, { 'content-type': type, 'x-a': ['1', '2'] })
      res.statusCode = 418
      res.end('a')
    },
  }
  it.each(Object.entries(heads))('%s', async (_, handler) => {
    const { response } = await answer(handler)
    expect(response.status).toBe(201)
    expect(headerOf(response, 'content-type')).toBe(type)
    expect(response.headers.filter(([name]) => name.toLowerCase() === 'x-a')).toHaveLength(2)
  })

  it('covers content-type, content-range and location as they are sent', async () => {
    const { response } = await answer((_req, res) => {
      res.writeHead(206, {
        'content-type': ' text/plain; charset="caf\u00e9" ',
        'Content-Range': 'bytes 0-0/9',
        LOCATION: '/orders/7',
      })
      res.end('a')
    })
    expect(response.status).toBe(206)
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('%s with status %d has no body, which is proved', async (method, status) => {
    const { response } = await answer((_req, res) => {
      res.statusCode = status
      res.setHeader('content-type', 'text/plain')
      res.end('abc')
    }, method)
    expect(response.status).toBe(status)
    expect(response.body).toHaveLength(0)
    expect(headerOf(response, 'content-length')).toBeUndefined()
  })

  it('HEAD keeps the content-length that the handler sets', async () => {
    const { response } = await answer((_req, res) => res.setHeader('content-length', 1234).end(), 'HEAD')
    expect(headerOf(response, 'content-length')).toBe('1234')
  })

  it('204 has no content-length, whatever the handler sets', async () => {
    const { response } = await answer((_req, res) => {
      res.writeHead(204, { 'content-length': '3' }).end('abc')
    })
    expect(headerOf(response, 'content-length')).toBeUndefined()
  })

  it('leaves a connection of HEAD, 204 and 304 in order', async () => {
    const realm = await startRealm({
      handler: (req, res) => res.writeHead(Number(req.url?.slice(1))).end('abc'),
    })
    const connection = realm.connect()
    for (const [method, target] of [
      ['GET', '/204'],
      ['GET', '/304'],
      ['HEAD', '/200'],
      ['GET', '/200'],
    ] as const) {
      const request = realm.sign({ method, target })
      expectProved(await connection.write(formatRequest(request), method).response(), request)
    }
  })

  it('sends a large body completely', async () => {
    const body = Buffer.alloc(3_000_000, 'orders ')
    const { response } = await answer((_req, res) => res.end(body))
    expect(response.body.equals(body)).toBe(true)
  })

  it.each([
    ['pipe', (res: ServerResponse) => Readable.from(['a', 'b', 'c']).pipe(res)],
    ['pipeline', (res: ServerResponse) => pipeline(Readable.from(['a', 'b', 'c']), res)],
  ])('sends a stream by %s', async (_, send) => {
    const { response } = await answer((_req, res) => send(res))
    expect(response.body.toString()).toBe('abc')
  })

  it('sends a file', async () => {
    const { response } = await answer((_req, res) => createReadStream(import.meta.filename).pipe(res))
    expect(response.body.toString()).toContain('sends a file')
  })

  it('pass informational responses through', async () => {
    const { response } = await answer((_req, res) => {
      res.writeProcessing()
      res.writeEarlyHints({ link: '</style.css>; rel=preload' })
      res.end('a')
    })
    expect(response.informational).toHaveLength(2)
  })

  it('stamps the proof with the time of the service', async () => {
    const realm = await startRealm({
      handler: (_req, res) => {
        realm.clock.advance(1_234)
        res.end()
      },
    })
    const request = realm.sign()
    const begun = realm.clock.now()
    expect(proofOf(await realm.send(request), request).time).toBe(begun + 1_234)
  })

  it('is understood by Node', async () => {
    const realm = await startRealm()
    const { headers } = realm.sign()
    const status = await new Promise(resolve => {
      const options = { port: realm.port, path: '/orders/7', headers: Object.fromEntries(headers) }
      httpRequest(options, res => res.resume().on('end', () => resolve(res.statusCode))).end()
    })
    expect(status).toBe(200)
  })
})

describe('the response that a handler gets', () => {
  it('says when its head is fixed, and lets nobody change it then', async () => {
    const seen: unknown[] = []
    const attempt = (change: () => unknown): void => {
      try {
        seen.push(change() === undefined)
      } catch (cause) {
        seen.push((cause as NodeJS.ErrnoException).code)
      }
    }
    await answer((_req, res) => {
      seen.push(res.headersSent)
      res.write('a')
      seen.push(res.headersSent, res.writableEnded)
      attempt(() => res.setHeader('x-a', '1'))
      attempt(() => res.appendHeader('x-a', '1'))
      attempt(() => res.removeHeader('x-a'))
      attempt(() => res.writeHead(201))
      res.end()
      seen.push(res.headersSent, res.writableEnded)
      attempt(() => res.setHeader('x-a', '1'))
    })
    const sent = 'ERR_HTTP_HEADERS_SENT'
    expect(seen).toEqual([false, true, false, sent, sent, sent, sent, true, true, sent])
  })

  it('accepts everything that is written immediately, and says so', async () => {
    const results: unknown[] = []
    await answer((_req, res) => {
      results.push(res.write(Buffer.alloc(1_000_000)), res.writableNeedDrain)
      res.end()
    })
    expect(results).toEqual([true, false])
  })

  it('calls back, and finishes', async () => {
    const heard: string[] = []
    const { realm } = await answer((_req, res) => {
      res.on('finish', () => heard.push('finish'))
      res.write('a', () => heard.push('write'))
      res.end('b', 'utf8', () => heard.push('end'))
    })
    await expect.poll(() => heard.toSorted(), { interval: 1 }).toEqual(['end', 'finish', 'write'])
    expect(errorsOf(realm)).toEqual([])
  })

  it.each([
    ['a status out of range', (res: ServerResponse) => res.writeHead(99)],
    ['a header that cannot be', (res: ServerResponse) => res.setHeader('x-a', 'a\nb')],
    ['a list of headers without its last value', (res: ServerResponse) => res.writeHead(200, ['x-a'])],
  ])('refuses %s', async (_, misuse) => {
    let thrown: unknown
    await answer((_req, res) => {
      try {
        misuse(res)
      } catch (cause) {
        thrown = cause
      }
      res.end()
    })
    expect(thrown).toBeInstanceOf(Error)
  })

  const chunks: Record<string, unknown> = {
    null: null,
    undefined,
    'a number': 7,
    zero: 0,
    'a boolean': true,
    'an array of numbers': [104, 105],
    'an ArrayBuffer': new ArrayBuffer(5),
    'a Uint16Array': Uint16Array.of(104, 105),
    'a DataView': new DataView(new ArrayBuffer(2)),
    'an object': { length: 5 },
    'a String object': Object('hello'),
    'a promise': Promise.resolve('hello'),
  }
  it.each(Object.entries(chunks))('refuses to write %s as Node does', async (_, chunk) => {
    const codeOf = (write: () => unknown): unknown => {
      try {
        return write()
      } catch (cause) {
        return [cause instanceof TypeError, (cause as NodeJS.ErrnoException).code]
      }
    }
    const plain = new NodeResponse(new IncomingMessage(new Socket()))
    const seen: unknown[] = []
    const { response, realm } = await answer((_req, res) => {
      seen.push(
        codeOf(() => res.write(chunk)),
        codeOf(() => plain.write(chunk as string)),
      )
      if (chunk)
        seen.push(
          codeOf(() => res.end(chunk)),
          seen[1],
        )
      res.end('hi')
    })
    expect(seen[0]).toEqual([true, expect.stringMatching(/^ERR_/)])
    for (let i = 0; i < seen.length; i += 2) expect(seen[i]).toEqual(seen[i + 1])
    expect([response.body.toString(), errorsOf(realm)]).toEqual(['hi', []])
  })

  it.each([
    ['utf8', 'c3a9'],
    ['utf-8', 'c3a9'],
    ['latin1', 'e9'],
    ['binary', 'e9'],
    ['utf16le', 'e900'],
    ['ucs2', 'e900'],
  ] as const)('encodes text in %s as Node does', async (encoding, hex) => {
    const { response } = await answer((_req, res) => {
      res.write('\u00e9', encoding)
      res.end('\u00e9', encoding)
    })
    expect(response.body.toString('hex')).toBe(hex + hex)
  })

  it('accepts the bytes of another realm, as a test runner has them', async () => {
    const foreign: unknown = runInNewContext('Uint8Array.of(104, 105)')
    expect(foreign).not.toBeInstanceOf(Uint8Array)
    const { response } = await answer((_req, res) => res.end(foreign))
    expect(response.body.toString()).toBe('hi')
  })

  it.each(['hello', 'utf9'])('refuses text in an encoding that does not exist: %s', async encoding => {
    let thrown: unknown
    await answer((_req, res) => {
      try {
        res.write('a', encoding as BufferEncoding)
      } catch (cause) {
        thrown = cause
      }
      res.end('a')
    })
    expect(thrown).toMatchObject({ code: 'ERR_UNKNOWN_ENCODING' })
  })

  it('calls a replaced writeHead when the head is fixed', async () => {
    const { response } = await answer((_req, res) => {
      const { writeHead } = res
      res.writeHead = ((...args: [number]) => {
        res.setHeader('location', '/late')
        return writeHead.apply(res, args)
      }) as typeof res.writeHead
      res.end('a')
    })
    expect(headerOf(response, 'location')).toBe('/late')
  })
})

const FAILED = 'internal error\n'

describe('an answer that cannot be proved', () => {
  const faults: Record<string, [handler: TicketHandler, reason: string]> = {
    'a covered header twice': [
      (_req, res) => res.writeHead(200, ['content-type', 'a/b', 'Content-Type', 'c/d']).end('secret'),
      'the header content-type occurs twice',
    ],
    'a covered header appended': [
      (_req, res) => res.setHeader('location', '/a').appendHeader('location', '/b').end('secret'),
      'the header location occurs twice',
    ],
    'a covered header that is empty': [
      (_req, res) => res.setHeader('content-range', '').end('secret'),
      'the header content-range is empty',
    ],
    trailers: [
      (_req, res) => {
        res.addTrailers({ 'x-a': '1' })
        res.end('secret')
      },
      'trailers',
    ],
    'announced trailers': [(_req, res) => res.setHeader('trailer', 'x-a').end('secret'), 'trailers'],
    'a content-length that is wrong': [
      (_req, res) => res.setHeader('content-length', '9').end('secret'),
      'content-length is 9, the body has 6 bytes',
    ],
    'a status that is not final': [(_req, res) => res.writeHead(103).end(), 'the status is 103'],
    'a status that no client has': [(_req, res) => res.writeHead(700).end('secret'), 'the status is 700'],
    'a body that no client reads': [(_req, res) => res.writeHead(205).end('secret'), 'a 205 has a body'],
    'a body over the limit': [(_req, res) => res.end(Buffer.alloc(8 * 1024 * 1024 + 1)), 'larger than'],
  }
  it.each(Object.entries(faults))('%s: a proved 500, and the log says why', async (_, [handler, reason]) => {
    const { response, realm } = await answer(handler)
    expect(response.status).toBe(500)
    expect(response.body.toString()).toBe(FAILED)
    expect(errorsOf(realm)).toHaveLength(1)
    expect(errorsOf(realm)[0]).toContain(reason)
  })

  it('a body of exactly the limit is proved', async () => {
    const realm = await startRealm({ maxResponse: 10, handler: (_req, res) => res.end(Buffer.alloc(10)) })
    expect((await realm.get()).status).toBe(200)
  })

  it('an endless answer ends at the limit, without an error for its writer', async () => {
    let writes = 0
    const heard: string[] = []
    const realm = await startRealm({
      maxResponse: 10,
      handler: (_req, res) => {
        res.on('close', () => heard.push('close')).on('error', () => heard.push('error'))
        for (; writes < 20; writes++) res.write('ab', () => heard.push('write'))
        res.end('c', () => heard.push('end'))
      },
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expect(response.status).toBe(500)
    expectProved(response, request)
    await expect.poll(() => heard.includes('close'), { interval: 1 }).toBe(true)
    expect(writes).toBe(20)
    expect(heard).not.toContain('error')
    expect(heard.filter(name => name === 'write')).toHaveLength(20)
    expect(errorsOf(realm)).toHaveLength(1)
  })

  it('a stream over the limit is stopped', async () => {
    const realm = await startRealm({
      maxResponse: 1000,
      handler: (_req, res) => Readable.from(endless()).pipe(res),
    })
    expect((await realm.get()).status).toBe(500)
  })

  const sources: Record<string, (source: Readable, res: ServerResponse) => unknown> = {
    pipe: (source, res) => source.pipe(res),
    'pipe that does not end it': (source, res) => source.pipe(res, { end: false }),
    pipeline: (source, res) => pipeline(source, res),
    'pipe from inside of another listener': (source, res) => void setImmediate(() => source.pipe(res)),
  }
  it.each(Object.entries(sources))('closes what feeds it by %s, and is logged once', async (_, feed) => {
    const fed: Readable[] = []
    const realm = await startRealm({
      maxResponse: 1000,
      handler: (_req, res) => {
        const source = Readable.from(endless())
        fed.push(source)
        return feed(source, res)
      },
    })
    const connection = realm.connect()
    for (let times = 1; times <= 2; times++) {
      const request = realm.sign()
      const response = await connection.write(formatRequest(request), 'GET').response()
      expect(response.status).toBe(500)
      expectProved(response, request)
      await expect.poll(() => fed.filter(source => source.destroyed).length, { interval: 1 }).toBe(times)
      expect(errorsOf(realm)).toHaveLength(times)
    }
  })

  it('closes the file that a handler sends, with its descriptor', async () => {
    const source = createReadStream(import.meta.filename, { highWaterMark: 100 })
    const closed = once(source, 'close')
    const realm = await startRealm({ maxResponse: 1000, handler: (_req, res) => source.pipe(res) })
    expect((await realm.get()).status).toBe(500)
    await closed
    expect(openFiles(import.meta.filename)).toBe(0)
  })

  it('closes what feeds it if the handler throws, or if something feeds it afterwards', async () => {
    const [early, late] = [Readable.from(endless()), Readable.from(endless())]
    const realm = await startRealm({
      handler: (_req, res) => {
        early.pipe(res)
        setImmediate(() => late.pipe(res))
        throw new Error('no database')
      },
    })
    expect((await realm.get()).status).toBe(500)
    await expect.poll(() => [early.destroyed, late.destroyed], { interval: 1 }).toEqual([true, true])
  })

  it('does not close what no longer feeds it, nor what fed a response that was sent', async () => {
    const [first, second] = [Readable.from(['a']), Readable.from(endless())]
    const { realm } = await answer((_req, res) => {
      second.pipe(res)
      second.unpipe(res)
      first.pipe(res)
    })
    expect([first.readableEnded, second.destroyed, errorsOf(realm)]).toEqual([true, false, []])
    second.destroy()
  })

  it('is sent with a warning if it has content-encoding', async () => {
    const { realm } = await answer((_req, res) => res.setHeader('content-encoding', 'br').end('x'))
    expect(realm.log.lines.some(({ level }) => level === 'warn')).toBe(true)
  })
})

/** How many descriptors of this process are open on the file. */
function openFiles(path: string): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length
}

function* endless() {
  for (;;) yield Buffer.alloc(100)
}

function failWith(res: ServerResponse, reason: string): void {
  res.writeHead(503, reason)
  throw new Error(reason)
}

describe('a handler that fails', () => {
  const fault = new Error('no database at 10.0.0.7')
  const failures: Record<string, TicketHandler> = {
    throws: () => {
      throw fault
    },
    rejects: () => Promise.reject(fault),
    'throws in the middle of its answer': (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'session=1', location: '/a' })
      res.write('half an answer')
      throw fault
    },
  }
  it.each(Object.entries(failures))('that %s: a proved 500 that tells nothing', async (_, handler) => {
    const { response, realm } = await answer(handler)
    expect(response.status).toBe(500)
    expect(response.body.toString()).toBe(FAILED)
    expect(headerOf(response, 'content-type')).toBe('text/plain; charset=utf-8')
    expect(headerOf(response, 'set-cookie')).toBeUndefined()
    expect(headerOf(response, 'location')).toBeUndefined()
    const [line] = realm.log.lines.filter(({ level }) => level === 'error')
    expect(line?.fields.err).toBe(fault)
  })

  it.each([
    ['throws', (res: ServerResponse) => failWith(res, 'no table customers')],
    ['answers what cannot be proved', (res: ServerResponse) => res.addTrailers({}) ?? res.end()],
    ['sends too much', (res: ServerResponse) => res.end(Buffer.alloc(2000))],
  ])('that %s: its own status message is not sent', async (_, fail) => {
    const realm = await startRealm({
      maxResponse: 1000,
      handler: (_req, res) => {
        res.statusMessage = 'no table customers'
        return fail(res)
      },
    })
    const connection = realm.connect()
    const response = await connection.write(formatRequest(realm.sign()), 'GET').response()
    expect([response.status, response.message]).toEqual([500, 'Internal Server Error'])
  })

  it('of a HEAD: a proved 500 without a body', async () => {
    const { response } = await answer(failures.throws as TicketHandler, 'HEAD')
    expect([response.status, response.body.length]).toEqual([500, 0])
  })

  it('that throws after its answer changes neither the answer nor the connection', async () => {
    const realm = await startRealm({
      handler: (_req, res) => {
        res.end('done')
        throw fault
      },
    })
    const connection = realm.connect()
    for (let times = 1; times <= 2; times++) {
      const request = realm.sign()
      const response = await connection.write(formatRequest(request), 'GET').response()
      expect(response.body.toString()).toBe('done')
      expectProved(response, request)
      expect(errorsOf(realm)).toHaveLength(times)
    }
  })

  it('whose answer Node does not send ends the connection, and nothing is sent', async () => {
    const realm = await startRealm({
      handler: (_req, res) => {
        res.statusMessage = 'two\nlines'
        res.end('a')
      },
    })
    const connection = realm.connect()
    await expect(connection.write(formatRequest(realm.sign()), 'GET').response()).rejects.toThrow()
    expect(errorsOf(realm)).toHaveLength(1)
  })

  it('does not undo what was said about the connection', async () => {
    const { response } = await answer((_req, res) => {
      res.setHeader('connection', 'close')
      throw fault
    })
    expect(headerOf(response, 'connection')).toBe('close')
  })

  it('does not affect the next request of the connection', async () => {
    const realm = await startRealm({
      handler: (req, res) => {
        if (req.url === '/bad') throw fault
        res.end('good')
      },
    })
    const connection = realm.connect()
    for (const target of ['/bad', '/good', '/bad', '/good']) {
      const request = realm.sign({ target })
      expectProved(await connection.write(formatRequest(request), 'GET').response(), request)
    }
  })
})
