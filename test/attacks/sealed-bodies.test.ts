import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireTicket } from '../../service/index.js'
import { type RunningServer, type Setting, serve, startSetting } from '../end-to-end/sealed/setting.js'
import { Connection, formatRequest } from '../service/connection.js'
import { type Captured, HttpProxy, headerOf, type Relayed, withHeader } from '../support/http-proxy.js'
import { failureOf } from '../support/world.js'

/** Sealed bodies on a network that an attacker owns. */

const PIECES = ['first piece, ', 'second piece, ', 'third piece']

let setting: Setting & { end(): Promise<void> }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(() => setting.end())

/** The salt and the frames of a sealed body. */
function split(body: Buffer): Buffer[] {
  const parts = [body.subarray(0, 16)]
  for (let at = 16; at < body.length; ) {
    const end = at + 4 + body.readUInt32BE(at)
    parts.push(body.subarray(at, end))
    at = end
  }
  return parts
}

type Parts = readonly [salt: Buffer, a: Buffer, b: Buffer, c: Buffer, end: Buffer]

/** What is made of a body, given another one of the same pieces, and how many pieces are still genuine. */
const changes: Record<
  string,
  (parts: Parts, other: Parts) => readonly [pieces: number, body: readonly Buffer[]]
> = {
  'cut before its end': ([salt, a, b, c]) => [3, [salt, a, b, c]],
  'cut between two records': ([salt, a]) => [1, [salt, a]],
  'cut within a record': ([salt, a, b]) => [1, [salt, a, b.subarray(0, -1)]],
  'cut within the salt': ([salt]) => [0, [salt.subarray(0, 15)]],
  'with an end too early': ([salt, a, , , end]) => [1, [salt, a, end]],
  'without its first record': ([salt, , b, c, end]) => [0, [salt, b, c, end]],
  'without a record in the middle': ([salt, a, , c, end]) => [1, [salt, a, c, end]],
  'with two records exchanged': ([salt, a, b, c, end]) => [1, [salt, a, c, b, end]],
  'with a record doubled': ([salt, a, b, c, end]) => [1, [salt, a, a, b, c, end]],
  'with a bit of a record changed': ([salt, a, b, c, end]) => [1, [salt, a, flipped(b, 9), c, end]],
  'with the length of a record changed': ([salt, a, b, c, end]) => [1, [salt, a, flipped(b, 3), c, end]],
  'with 4 GiB announced': ([salt, a, b, c, end]) => [1, [salt, a, Buffer.alloc(4, 255), b, c, end]],
  'with a record of another body': ([salt, a, , c, end], other) => [1, [salt, a, other[2], c, end]],
  'with the rest of another body': ([salt, a], other) => [1, [salt, a, ...other.slice(2)]],
  'in place of which another one comes': (_, other) => [0, other],
  'under the salt of another one': ([, a, b, c, end], other) => [0, [other[0], a, b, c, end]],
  'with more behind its end': ([salt, a, b, c, end]) => [3, [salt, a, b, c, end, end]],
  twice: parts => [3, [...parts, ...parts]],
}

/**
 * Everything that may be read of a body that breaks behind so many pieces. The platform drops what nobody has read yet
 * when a stream breaks, so fewer than these may come; which are opened, to the record, sealed-stream.test.ts shows.
 */
function genuine(pieces = 0): string[] {
  return Array.from({ length: pieces + 1 }, (_, i) => PIECES.slice(0, i).join(''))
}

function flipped(frame: Buffer, at: number): Buffer {
  const changed = Buffer.from(frame)
  changed[at] = (changed[at] as number) ^ 1
  return changed
}

function bodyOf(pieces: readonly string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: controller => {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
      controller.close()
    },
  })
}

const sealedPost = () => ({ service: 'orders', sealed: true, method: 'POST', body: bodyOf(PIECES) })

describe('the sealed body of a request', () => {
  let got: { pieces: string[]; cause: unknown; isWhole: boolean }[]
  let running: RunningServer
  let proxy: HttpProxy

  const start = async (): Promise<void> => {
    got = []
    running = await setting.serve(async (req, res) => {
      const seen: (typeof got)[number] = { pieces: [], cause: undefined, isWhole: false }
      got.push(seen)
      req.on('end', () => {
        seen.isWhole = true
      })
      try {
        for await (const piece of req) seen.pieces.push(String(piece))
      } catch (cause) {
        seen.cause = cause
        throw cause
      }
      res.end('done')
    })
    proxy = await HttpProxy.start(running.port)
  }

  it.each(Object.keys(changes))('breaks, behind what is genuine, if it is %s', async how => {
    await start()
    let other: Parts | undefined
    proxy.intercept = (sent, forward) => {
      const parts = split(sent.body) as unknown as Parts
      if (other === undefined) {
        other = parts
        return forward(sent)
      }
      const [, body] = changes[how]?.(parts, other) ?? []
      return forward({ ...sent, body: Buffer.concat(body ?? []) })
    }
    expect(await (await setting.web.fetch(proxy.url, sealedPost())).text()).toBe('done')
    expect(await failureOf(setting.web.fetch(proxy.url, sealedPost()))).toMatchObject({
      code: 'unavailable',
      final: false,
    })
    const [pieces] = changes[how]?.(...([PARTS, PARTS] as const)) ?? []
    expect(genuine(pieces)).toContain(got[1]?.pieces.join(''))
    expect(got[1]).toMatchObject({ cause: { code: 'channel_broken' }, isWhole: false })
  })

  it('breaks if it was cut, also where all that is left of it came before the gate saw it', async () => {
    const seen: unknown[] = []
    const guarded = requireTicket({ service: setting.service }, async (req, res) => {
      try {
        res.end(await text(req))
      } catch (cause) {
        seen.push(cause)
        throw cause
      }
    })
    const { port } = await serve(async (req, res) => {
      while (!req.complete) await setImmediate()
      guarded(req, res)
    })
    proxy = await HttpProxy.start(port)
    expect(await (await setting.web.fetch(proxy.url, sealedPost())).text()).toBe(PIECES.join(''))
    proxy.intercept = (sent, forward) =>
      forward({ ...sent, body: Buffer.concat(split(sent.body).slice(0, -1)) })
    expect(await failureOf(setting.web.fetch(proxy.url, sealedPost()))).toMatchObject({ code: 'unavailable' })
    expect(seen).toMatchObject([{ code: 'channel_broken' }])
  })

  it('breaks if trailers follow it, which nothing covers', async () => {
    await start()
    proxy.intercept = async ({ method, target, headers, body }) => {
      const connection = new Connection(running.port)
      const head = { method, target, headers: [...headers, ['transfer-encoding', 'chunked'] as const] }
      connection
        .write(formatRequest(head))
        .write(`${body.length.toString(16)}\r\n`)
        .write(body)
      connection.write('\r\n0\r\nx-sum: 1\r\n\r\n', method)
      return connection.response().finally(() => connection.destroy())
    }
    expect(await failureOf(setting.web.fetch(proxy.url, sealedPost()))).toMatchObject({ code: 'unavailable' })
    expect(got).toMatchObject([{ cause: { code: 'channel_broken' }, isWhole: false }])
  })

  it('has no length for its handler, also if a proxy collected it and tells the one that it has sealed', async () => {
    const { port } = await setting.serve(async (req, res) => {
      const { headers, headersDistinct, rawHeaders } = req
      for await (const _ of req) {
      }
      res.end(JSON.stringify([headers, headersDistinct, rawHeaders]))
    })
    proxy = await HttpProxy.start(port)
    const told = await (await setting.web.fetch(proxy.url, sealedPost())).text()
    expect(told).not.toMatch(/content-length|content-encoding/i)
    expect(told.match(/transfer-encoding/gi)).toHaveLength(3)
  })

  it('is refused for good if it was taken away, or its encoding was', async () => {
    await start()
    const ways: ((sent: Captured) => Captured)[] = [
      sent => ({ ...sent, body: Buffer.alloc(0) }),
      sent => withHeader(sent, 'content-encoding'),
      sent => withHeader(sent, 'content-encoding', 'orthrus, orthrus'),
      sent => withHeader(sent, 'content-encoding', 'Orthrus'),
      sent => withHeader(sent, 'content-encoding', 'gzip'),
    ]
    for (const change of ways) {
      proxy.intercept = (sent, forward) => forward(change(sent))
      const failure = await failureOf(setting.web.fetch(proxy.url, sealedPost()))
      expect(failure).toMatchObject({ code: 'binding_mismatch', final: true })
    }
    expect(got).toEqual([])
  })

  it('cannot be made of a plain one', async () => {
    await start()
    proxy.intercept = (sent, forward) => forward(withHeader(sent, 'content-encoding', 'orthrus'))
    const failure = await failureOf(
      setting.web.fetch(proxy.url, { service: 'orders', method: 'POST', body: 'plain' }),
    )
    expect(failure).toMatchObject({ code: 'binding_mismatch', final: true })
    expect(got).toEqual([])
  })
})

/** Only to ask how many pieces stay genuine. */
const PARTS = [16, 20, 20, 20, 20].map(length => Buffer.alloc(length, length)) as unknown as Parts

describe('a sealed response', () => {
  let proxy: HttpProxy

  const start = async (): Promise<void> => {
    const { port } = await setting.serve((_, res) => {
      // Known to the proxy, which does not read chunks: what is sealed is of the same length each time.
      for (const piece of PIECES.slice(0, 2)) res.write(piece)
      res.end(PIECES[2])
    })
    proxy = await HttpProxy.start(port)
  }

  const get = () => setting.web.fetch(proxy.url, { service: 'orders', sealed: true })

  it.each(Object.keys(changes))('breaks, behind what is genuine, if it is %s', async how => {
    await start()
    let other: Parts | undefined
    proxy.intercept = async (sent, forward) => {
      const answer = await forward(sent)
      const parts = split(answer.body) as unknown as Parts
      if (other === undefined) {
        other = parts
        return answer
      }
      const [, body] = changes[how]?.(parts, other) ?? []
      return { ...answer, body: Buffer.concat(body ?? []) }
    }
    expect(await (await get()).text()).toBe(PIECES.join(''))
    const response = await get()
    const read: string[] = []
    const reading = (async () => {
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>)
        read.push(Buffer.from(piece).toString())
    })()
    expect(await failureOf(reading)).toMatchObject({ code: 'channel_broken' })
    const [pieces] = changes[how]?.(PARTS, PARTS) ?? []
    expect(genuine(pieces)).toContain(read.join(''))
  })

  it('is no answer if its head, or its encoding, was changed', async () => {
    await start()
    const ways: ((answer: Relayed) => Relayed)[] = [
      answer => ({ ...answer, status: 201 }),
      answer => withHeader(answer, 'content-type', 'text/html'),
      answer => withHeader(answer, 'location', '/x'),
      answer => withHeader(answer, 'content-encoding'),
      answer => withHeader(answer, 'content-encoding', 'gzip'),
      answer => withHeader(answer, 'content-encoding', 'orthrus, orthrus'),
      answer => withHeader(answer, 'authentication-info'),
    ]
    for (const change of ways) {
      proxy.intercept = async (sent, forward) => change(await forward(sent))
      expect(await failureOf(get())).toMatchObject({ code: 'response_unproved' })
    }
  })

  it('cannot be avoided: a client that insists is refused if its wish was taken away', async () => {
    await start()
    for (const value of [undefined, 'nothing']) {
      proxy.intercept = (sent, forward) => forward(withHeader(sent, 'orthrus-accept', value))
      expect(await failureOf(get())).toMatchObject({ code: 'binding_mismatch', final: true })
    }
  })

  it('of another request is no answer', async () => {
    await start()
    let first: Relayed | undefined
    proxy.intercept = async (sent, forward) => {
      const answer = await forward(sent)
      first ??= answer
      return first
    }
    await (await get()).text()
    expect(await failureOf(get())).toMatchObject({ code: 'response_unproved' })
  })

  it('is not taken by a client that asked for none', async () => {
    await start()
    proxy.intercept = (sent, forward) =>
      forward({ ...sent, headers: [...sent.headers, ['orthrus-accept', 'records']] })
    const failure = await failureOf(setting.web.fetch(proxy.url, { service: 'orders' }))
    expect(failure).toMatchObject({ code: 'response_unproved' })
    expect(headerOf(proxy.answered.at(-1) as Relayed, 'content-encoding')).toBe('orthrus')
  })
})
