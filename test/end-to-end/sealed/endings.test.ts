import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Realm } from '../../../client/index.js'
import { type RequireTicketOptions, requireTicket } from '../../../service/index.js'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import { failureOf } from '../../support/failure.js'
import { turns, until } from '../../support/turns.js'
import { piecesOf, type Setting, serve, startSetting, writable } from './setting.js'

/** Streams that end before their time: whoever stops, the other side learns of it, and nothing is taken for whole. */

let setting: Setting & { end(): Promise<void> }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(() => setting.end())

const options = (more: object = {}) => ({ service: 'orders', sealed: true, ...more })
const MINUTE = 60_000
const broken = expect.objectContaining({ code: 'channel_broken' })
const logged = (message: string) => setting.log.lines.filter(line => line.message === message)

/** A handler that reads, and what it read and met. */
function reader() {
  const met: { pieces: string[]; cause: unknown } = { pieces: [], cause: undefined }
  const handler: Parameters<Setting['serve']>[0] = async (req, res) => {
    try {
      for await (const piece of req) met.pieces.push(String(piece))
      res.end('done')
    } catch (cause) {
      met.cause = cause
      throw cause
    }
  }
  return { met, handler }
}

describe('a sealed request', () => {
  it('follows no redirect, for which the platform would keep all of its body', async () => {
    const { url } = await setting.serve((_, res) => void res.writeHead(307, { location: '/elsewhere' }).end())
    const body = writable()
    body.write('first')
    const cause = await failureOf(setting.web.fetch(url, options({ method: 'POST', body: body.stream })))
    expect(cause).toMatchObject({ code: 'unavailable', final: false })
    expect(String(cause)).toContain('redirect')
  })

  it('breaks if its client aborts, and says so to the handler alone', async () => {
    const { met, handler } = reader()
    const { url } = await setting.serve(handler)
    const body = writable()
    const aborter = new AbortController()
    body.write('first')
    const sending = setting.web.fetch(
      url,
      options({ method: 'POST', body: body.stream, signal: aborter.signal }),
    )
    await until(() => met.pieces.length === 1)
    const failures = logged('a handler failed').length
    aborter.abort(new Error('enough'))
    await expect(sending).rejects.toThrow('enough')
    await body.cancelled
    await until(() => met.cause !== undefined)
    expect(met.pieces).toEqual(['first'])
    expect(logged('a handler failed')).toHaveLength(failures)
  })

  it("fails with its caller's own error if the caller's stream fails", async () => {
    const { met, handler } = reader()
    const { url } = await setting.serve(handler)
    const body = writable()
    body.write('first')
    const sending = setting.web.fetch(url, options({ method: 'POST', body: body.stream }))
    await until(() => met.pieces.length === 1)
    body.fail(new Error('the disk is gone'))
    await expect(sending).rejects.toThrow('the disk is gone')
    await until(() => met.cause !== undefined)
  })

  it('takes no chunk that is not bytes', async () => {
    const { url } = await setting.serve(reader().handler)
    const stream = new ReadableStream({ start: controller => controller.enqueue('text') })
    const sending = setting.web.fetch(url, options({ method: 'POST', body: stream }))
    await expect(sending).rejects.toThrow(/must be a Uint8Array/)
  })

  it('stops its caller’s stream if it is refused', async () => {
    const { url } = await setting.serve(reader().handler, { claims: { role: 'nobody' } })
    const body = writable()
    body.write('first')
    const failure = await failureOf(setting.web.fetch(url, options({ method: 'POST', body: body.stream })))
    expect(failure).toMatchObject({ code: 'not_authorized', final: true })
    await body.cancelled
  })

  it('is never sent again', async () => {
    const { clock } = setting.realm
    const service = await setting.realm.loadService('orders', {
      replayCache: new BoundedReplayCache({ clock }),
    })
    let requests = 0
    const gate = requireTicket({ service }, (_, res) => void res.end('done'))
    const { url } = await serve((req, res) => {
      requests++
      gate(req, res)
    })
    const request = { method: 'PUT', body: 'x', repeatable: true }
    // Another client, since this one learns that the service has just started.
    const other = await setting.realm.connect('web')
    expect(await failureOf(other.fetch(url, options(request)))).toMatchObject({ code: 'clock_skew' })
    expect(requests).toBe(1)
  })

  it.each(['nothing', 'empty records'])('breaks after a minute in which %s came', async what => {
    const { met, handler } = reader()
    const { url } = await setting.serve(handler)
    const body = writable()
    body.write('first')
    const sending = failureOf(setting.web.fetch(url, options({ method: 'POST', body: body.stream })))
    await until(() => met.pieces.length === 1)
    setting.realm.clock.advance(MINUTE - 1)
    if (what === 'empty records') body.write('')
    expect(met.cause).toBeUndefined()
    setting.realm.clock.advance(1)
    expect(await sending).toMatchObject({ code: 'unavailable', final: false })
    await until(() => met.cause !== undefined)
    expect(met.cause).toEqual(broken)
  })

  it('does not break while its handler is slower than its client', async () => {
    let go: (value?: unknown) => void = () => {}
    const wait = new Promise(resolve => {
      go = resolve
    })
    let waiting: IncomingMessage | undefined
    const { url } = await setting.serve(async (req, res) => {
      waiting = req
      await wait
      res.end(String((await text(req)).length))
    })
    const sending = setting.web.fetch(url, options({ method: 'POST', body: 'x'.repeat(3_000_000) }))
    // Its buffer is full, so that nothing more is read.
    await until(() => waiting !== undefined && waiting.readableLength >= waiting.readableHighWaterMark)
    setting.realm.clock.advance(3 * MINUTE)
    go()
    expect(await (await sending).text()).toBe('3000000')
  })
})

describe('a sealed response', () => {
  it('is broken if its handler throws after it began', async () => {
    const { url } = await setting.serve(async (_, res) => {
      res.write('first')
      await new Promise(resolve => setImmediate(resolve))
      throw new Error('boom')
    })
    const failures = logged('a handler failed').length
    const response = await setting.web.fetch(url, options())
    expect(await failureOf(response.text())).toEqual(broken)
    expect(logged('a handler failed')).toHaveLength(failures + 1)
  })

  it('is broken if what its handler passes on breaks', async () => {
    const { url } = await setting.serve(async (_, res) => {
      const source = new PassThrough()
      source.write('first')
      setImmediate(() => source.destroy(new Error('upstream is gone')))
      await pipeline(source, res).catch(() => {})
    })
    const response = await setting.web.fetch(url, options())
    expect(await failureOf(response.text())).toEqual(broken)
  })

  it('is broken if it is not as long as its handler said, or has trailers', async () => {
    for (const how of ['length', 'trailers']) {
      const { url } = await setting.serve(async (_, res) => {
        if (how === 'length') res.setHeader('content-length', 6)
        res.write('first')
        await turns(1)
        if (how === 'trailers') res.addTrailers({ 'x-sum': '1' })
        res.end()
      })
      const response = await setting.web.fetch(url, options())
      expect(await failureOf(response.text())).toEqual(broken)
    }
  })

  it('is as long as its handler said', async () => {
    const { url } = await setting.serve((_, res) => {
      res.setHeader('content-length', 5)
      res.write('fir')
      res.end('st')
    })
    expect(await (await setting.web.fetch(url, options())).text()).toBe('first')
  })

  it('ends at its handler if its reader goes away', async () => {
    let closed: Promise<unknown> | undefined
    const { url } = await setting.serve((_, res) => {
      closed = once(res, 'close')
      res.write('first')
    })
    const failures = logged('a handler failed').length
    const pieces = piecesOf(await setting.web.fetch(url, options()))
    expect(await pieces.next()).toBe('first')
    await pieces.cancel()
    await closed
    expect(logged('a handler failed')).toHaveLength(failures)
  })

  it('ends with the signal of the request, whenever that aborts', async () => {
    const { url } = await setting.serve((_, res) => void res.write('first'))
    const aborter = new AbortController()
    const pieces = piecesOf(await setting.web.fetch(url, options({ signal: aborter.signal })))
    expect(await pieces.next()).toBe('first')
    const reading = pieces.next()
    aborter.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
  })

  it('ends with its realm', async () => {
    const { url } = await setting.serve((_, res) => void res.write('first'))
    const other = await setting.realm.connect('web')
    const pieces = piecesOf(await other.fetch(url, options()))
    expect(await pieces.next()).toBe('first')
    const reading = failureOf(pieces.next())
    other.close()
    expect(await reading).toMatchObject({ code: 'unavailable' })
  })

  it('breaks after a minute in which its reader waited for more', async () => {
    const { url } = await setting.serve((_, res) => void res.write('first'))
    const pieces = piecesOf(await setting.web.fetch(url, options()))
    expect(await pieces.next()).toBe('first')
    // Nobody waits yet.
    setting.realm.clock.advance(2 * MINUTE)
    const reading = failureOf(pieces.next())
    await turns(1)
    setting.realm.clock.advance(MINUTE)
    expect(await reading).toEqual(broken)
  })
})

describe('a stream and its tickets', () => {
  const LIFE = 2 * MINUTE
  let brief: Realm

  beforeAll(async () => {
    const { realm } = setting
    await realm.add('brief')
    await realm.allow('brief', 'orders', { maxLife: LIFE })
    brief = await realm.connect('brief')
  })

  /** A handler that streams both ways, and a client that does. */
  async function streaming(more: Partial<RequireTicketOptions> = {}) {
    const { met, handler } = reader()
    const signals: AbortSignal[] = []
    let response: ServerResponse | undefined
    const { url } = await setting.serve((req, res, ticket) => {
      signals.push(ticket.signal)
      if (req.method === 'POST') return handler(req, res, ticket)
      response = res
      return void res.write('first')
    }, more)
    const body = writable()
    body.write('first')
    const sending = brief.fetch(url, options({ method: 'POST', body: body.stream }))
    await until(() => met.pieces.length === 1)
    const pieces = piecesOf(await brief.fetch(url, options()))
    const reading = (async () => {
      while ((await pieces.next()) !== undefined);
    })()
    const speak = (): void => {
      body.write('.')
      response?.write('.')
    }
    return { met, body, sending, reading, signals, speak }
  }

  /** Lets this much time pass, and something be said in each minute of it. */
  async function passSpeaking(milliseconds: number, speak: () => void, isOver = () => false): Promise<void> {
    for (let left = milliseconds; left > 0 && !isOver(); left -= MINUTE / 2) {
      speak()
      await turns(20)
      setting.realm.clock.advance(MINUTE / 2)
    }
  }

  it('ends with it in both directions', async () => {
    const { met, sending, reading, signals, speak } = await streaming()
    const failures = [failureOf(sending), failureOf(reading)]
    await passSpeaking(LIFE, speak, () => met.cause !== undefined)
    expect(await Promise.all(failures)).toEqual([expect.objectContaining({ code: 'unavailable' }), broken])
    expect(met.cause).toMatchObject({ code: 'ticket_expired' })
    expect(signals.map(({ reason }) => reason?.code)).toEqual(['ticket_expired', 'ticket_expired'])
  })

  it('goes on if the owner of its handler lets it', async () => {
    const { met, body, sending, reading, signals, speak } = await streaming({ streamsOutliveTickets: true })
    reading.catch(() => {})
    await passSpeaking(LIFE + MINUTE, speak)
    expect(met.cause).toBeUndefined()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
    body.close()
    expect(await (await sending).text()).toBe('done')
  })

  it('gets a fresh one if less than half of the life of the last is left', async () => {
    const ends: number[] = []
    const { url } = await setting.serve((_, res, ticket) => {
      ends.push(ticket.endTime)
      res.end()
    })
    const { clock } = setting.realm
    const other = await setting.realm.connect('web')
    const fetch = async (sealed: boolean) => (await other.fetch(url, options({ sealed }))).text()
    const { endTime, startTime } = await other.getServiceTicket('orders')
    clock.advance(Math.ceil(startTime + (endTime - startTime) / 2 - clock.now()) - 1)
    await fetch(true)
    clock.advance(2)
    await fetch(false)
    await fetch(true)
    expect(ends[0]).toBe(ends[1])
    expect(ends[2]).toBeGreaterThan(ends[0] as number)
  })

  it('ends at once when it is revoked', async () => {
    const { realm, log } = setting
    await realm.add('visitor')
    await realm.allow('visitor', 'orders')
    const visitor = await realm.connect('visitor')
    const service = await realm.loadService('orders', { kdc: realm.kdc.url, startWithoutFeed: true })
    const { met, handler } = reader()
    const { url } = await serve(
      requireTicket({ service, streamsOutliveTickets: true }, (req, res, ticket) => {
        if (req.method === 'POST') return handler(req, res, ticket)
        return void res.write('first')
      }),
    )
    await until(() => service.state.feed?.connected === true)
    const body = writable()
    body.write('first')
    const sending = failureOf(visitor.fetch(url, options({ method: 'POST', body: body.stream })))
    await until(() => met.pieces.length === 1)
    const pieces = piecesOf(await visitor.fetch(url, options()))
    await pieces.next()
    const reading = failureOf(pieces.next())
    await realm.administration.revocations.client(visitor.client)
    expect(await reading).toEqual(broken)
    expect(await sending).toMatchObject({ code: 'unavailable' })
    await until(() => met.cause !== undefined)
    expect(met.cause).toMatchObject({ code: 'revoked' })
    expect(log.lines.some(({ message }) => message.startsWith('a sealed body broke'))).toBe(true)
    await service.close()
  })
})
