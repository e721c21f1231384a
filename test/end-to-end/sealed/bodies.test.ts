import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HttpProxy, headerOf, type Relayed } from '../../support/http-proxy.js'
import { piecesOf, type Setting, startSetting, writable } from './setting.js'

let setting: Setting & { end(): Promise<void> }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(() => setting.end())

const options = (more: object = {}) => ({ service: 'orders', sealed: true, ...more })

describe('a sealed request', () => {
  it('streams: each piece reaches the handler before the next is written', async () => {
    const body = writable()
    const got: string[] = []
    const { url } = await setting.serve(async (req, res) => {
      for await (const piece of req) {
        got.push(String(piece))
        if (got.length === 1) body.write('second')
        else if (got.length === 2) body.close()
      }
      res.end(`got ${got.join(' and ')}`)
    })
    body.write('first')
    const response = await setting.web.fetch(url, options({ method: 'POST', body: body.stream }))
    expect(await response.text()).toBe('got first and second')
    expect(got).toEqual(['first', 'second'])
  })

  it('looks like any other to what reads bodies behind the gate', async () => {
    const seen: unknown[] = []
    const { url } = await setting.serve(async (req, res) => {
      seen.push(
        req.headers['content-encoding'],
        req.headers['content-length'],
        req.headers['transfer-encoding'],
      )
      seen.push(
        req.rawHeaders.map(name => name.toLowerCase()).filter(name => /^content-(?:enc|len)/.test(name)),
      )
      seen.push(req.headersDistinct['content-encoding'], req.readableDidRead, req.headers['content-type'])
      res.end(await text(req))
    })
    const headers = { 'content-type': 'application/json' }
    const response = await setting.web.fetch(url, options({ method: 'PUT', body: '{"sku":1}', headers }))
    expect(await response.json()).toEqual({ sku: 1 })
    expect(seen).toEqual([undefined, undefined, 'chunked', [], undefined, false, 'application/json'])
  })

  it.each([0, 1, 65_517, 65_518, 300_000])('has a body of %i bytes', async length => {
    const { url } = await setting.serve(async (req, res) => {
      const pieces: Buffer[] = []
      for await (const piece of req) pieces.push(piece as Buffer)
      res.end(Buffer.concat(pieces))
    })
    const body = new Uint8Array(length).map((_, i) => i * 7)
    const response = await setting.web.fetch(url, options({ method: 'POST', body }))
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true)
  })

  it('is read after the handler has waited, by events, and by a pipe', async () => {
    const { url } = await setting.serve(async (req, res) => {
      await new Promise(resolve => setImmediate(resolve))
      if (req.url === '/pipe') return void req.pipe(res)
      const pieces: string[] = []
      req.on('data', piece => pieces.push(String(piece)))
      await once(req, 'end')
      res.end(pieces.join(''))
    })
    for (const path of ['/pipe', '/events']) {
      const response = await setting.web.fetch(url + path, options({ method: 'POST', body: 'abc' }))
      expect(await response.text()).toBe('abc')
    }
  })

  it('is not read in the clear by the network', async () => {
    const { url, server } = await setting.serve(async (req, res) => res.end((await text(req)).toUpperCase()))
    const wire: Buffer[] = []
    server.on('connection', socket => {
      const { write } = socket
      socket.write = ((chunk: string | Buffer, ...rest: []) => {
        wire.push(Buffer.from(chunk as string))
        return write.call(socket, chunk, ...rest)
      }) as typeof write
      socket.prependListener('data', piece => wire.push(piece as Buffer))
    })
    const response = await setting.web.fetch(url, options({ method: 'POST', body: 'very secret' }))
    expect(await response.text()).toBe('VERY SECRET')
    expect(Buffer.concat(wire).toString('latin1')).not.toMatch(/very secret/i)
  })

  it('leaves the connection to the next one', async () => {
    const { url } = await setting.serve(async (req, res) => void res.end(await text(req)))
    const response = await setting.web.fetch(url, options({ method: 'POST', body: 'a' }))
    expect(await response.text()).toBe('a')
    expect(response.headers.get('connection')).toBe('keep-alive')
    expect(response.headers.get('transfer-encoding')).toBe('chunked')
  })

  it('may be answered before it is read', async () => {
    const { url } = await setting.serve((_, res) => res.writeHead(418).end('no'))
    const response = await setting.web.fetch(url, options({ method: 'POST', body: 'x'.repeat(200_000) }))
    expect([response.status, await response.text()]).toEqual([418, 'no'])
  })
})

describe('a sealed response', () => {
  it('streams: each write reaches the client at once', async () => {
    const go = writable()
    const { url } = await setting.serve(async (_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
      for await (const piece of go.stream) res.write(piece)
      res.end()
    })
    const response = await setting.web.fetch(url, options())
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('content-encoding')).toBeNull()
    const pieces = piecesOf(response)
    expect(await pieces.next()).toBe('data: 1\n\n')
    go.write('data: 2\n\n')
    expect(await pieces.next()).toBe('data: 2\n\n')
    go.close()
    expect(await pieces.next()).toBeUndefined()
  })

  it('has its head before anything is written', async () => {
    const go = writable()
    const { url } = await setting.serve(async (_, res) => {
      res.setHeader('content-type', 'text/plain')
      res.flushHeaders()
      expect(res.headersSent).toBe(true)
      expect(() => res.setHeader('x-late', '1')).toThrow(/sent/)
      for await (const piece of go.stream) res.write(piece)
      res.end('end')
    })
    const response = await setting.web.fetch(url, options())
    expect(response.status).toBe(200)
    go.close()
    expect(await response.text()).toBe('end')
  })

  it('is collected, as ever, for a client that does not say that it reads records', async () => {
    const { url } = await setting.serve((_, res) => {
      res.write('one, ')
      res.end('two')
    })
    const response = await setting.web.fetch(url, { service: 'orders' })
    expect(response.headers.get('content-length')).toBe('8')
    expect(await response.text()).toBe('one, two')
  })

  it.each([0, 1, 65_517, 65_518, 9_000_000])(
    'of a handler that answers in one piece has %i bytes',
    async length => {
      const { url } = await setting.serve((_, res) => void res.end(new Uint8Array(length).fill(7)))
      const response = await setting.web.fetch(url, options())
      const bytes = new Uint8Array(await response.arrayBuffer())
      expect(bytes.length).toBe(length)
      expect([bytes[0], bytes.at(-1)]).toEqual(length === 0 ? [undefined, undefined] : [7, 7])
    },
  )

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
    ['GET', 205],
  ])('to %s with %i has no body, and is not sealed', async (method, status) => {
    const { url } = await setting.serve((_, res) => void res.writeHead(status, { etag: '"1"' }).end())
    const response = await setting.web.fetch(url, options({ method }))
    expect([response.status, response.body, response.headers.get('content-encoding')]).toEqual([
      status,
      null,
      null,
    ])
  })

  it.each([false, true])(
    'to a client that would read others too is sealed if its handler streams, or its owner says: %s',
    async sealResponses => {
      const { port } = await setting.serve(
        (req, res) => {
          if (req.url === '/stream') res.write('a')
          res.end('b')
        },
        { sealResponses },
      )
      const proxy = await HttpProxy.start(port)
      const encodings: unknown[] = []
      for (const path of ['/stream', '/whole']) {
        for (const accept of ['records', 'other']) {
          proxy.intercept = (sent, forward) =>
            forward({ ...sent, headers: [...sent.headers, ['orthrus-accept', accept]] })
          await setting.web.fetch(proxy.url + path, { service: 'orders' }).catch(() => {})
          encodings.push(headerOf(proxy.answered.at(-1) as Relayed, 'content-encoding'))
        }
      }
      expect(encodings).toEqual(['orthrus', undefined, sealResponses ? 'orthrus' : undefined, undefined])
    },
  )

  it('covers further headers', async () => {
    const { url } = await setting.serve((_, res) => void res.setHeader('etag', '"1"').end('x'), {
      coverResponseHeaders: ['etag'],
    })
    const response = await setting.web.fetch(
      url,
      options({ cover: ['x-tenant'], headers: { 'x-tenant': 'a' } }),
    )
    expect([response.covered, await response.text()]).toEqual([['etag'], 'x'])
  })

  it('is followed to where it redirects', async () => {
    const { url } = await setting.serve((req, res) => {
      if (req.url === '/new') res.end('here')
      else res.writeHead(302, { location: '/new' }).end('elsewhere')
    })
    expect(await (await setting.web.fetch(`${url}/old`, options())).text()).toBe('here')
  })

  it('of a handler that throws before it writes is a sealed 500', async () => {
    const { url } = await setting.serve(() => {
      throw new Error('boom')
    })
    const response = await setting.web.fetch(url, options())
    expect([response.status, await response.text()]).toEqual([500, 'internal error\n'])
  })

  it.each([
    ['has a content-encoding', { 'content-encoding': 'gzip' }],
    ['announces trailers', { trailer: 'x-sum' }],
  ])('that %s is a sealed 500', async (_, headers) => {
    for (const isWritten of [true, false]) {
      const { url } = await setting.serve((_, res) => {
        res.writeHead(200, headers)
        if (isWritten) res.write('a')
        res.end('b')
      })
      const response = await setting.web.fetch(url, options())
      expect([response.status, await response.text()]).toEqual([500, 'internal error\n'])
    }
  })
})

describe('the option sealed', () => {
  it.each([
    [
      'an encoding of the caller',
      { headers: { 'content-encoding': 'gzip' } },
      /no content-encoding of the caller/,
    ],
    ['a header of its own', { headers: { 'orthrus-accept': 'records' } }, /pass sealed: true/],
    ['something else than true or false', { sealed: 'yes' }, /sealed is true or false/],
  ])('refuses %s', async (_, more, message) => {
    await expect(setting.web.fetch('http://127.0.0.1:1', options(more))).rejects.toThrow(message)
  })

  it('refuses the headers of a sealed request without it', async () => {
    for (const headers of [{ 'content-encoding': 'orthrus' }, { 'orthrus-accept': 'records' }]) {
      const fetching = setting.web.fetch('http://127.0.0.1:1', { service: 'orders', headers })
      await expect(fetching).rejects.toThrow(/pass sealed: true/)
    }
  })
})
