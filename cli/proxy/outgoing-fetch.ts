import type { ClientRequest, IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pairsOf } from '../../shared/http/header-pairs.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import type { HeaderPair } from './header-rules.js'
import type { Upstream } from './upstream.js'

/**
 * The `fetch` beneath the requests of a proxy. Other than the platform's it adds no header, follows no redirect, also
 * of a request whose body is streamed, decodes nothing, and has as many connections as it is told.
 */
export interface OutgoingOptions {
  /** By the origin of a URL. */
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly timers: Timers
  /** How long a server may be silent before its answer begins, milliseconds. */
  readonly patience: number
}

export function outgoingFetch(options: OutgoingOptions): typeof globalThis.fetch {
  return (input, init = {}) => exchange(options, new URL(String(input)), init)
}

async function exchange(options: OutgoingOptions, url: URL, init: RequestInit): Promise<Response> {
  const upstream = options.upstreams.get(url.origin)
  if (upstream === undefined) throw new TypeError(`nothing is sent to ${url.origin}`)
  if (upstream.isFull)
    throw failed(Object.assign(new Error('too many requests wait for it'), { code: 'EAGAIN' }))
  const sending = { upstream, target: url.pathname + url.search, method: init.method ?? 'GET', init }
  const answer = await ask(options, sending, false)
  return responseOf(answer, sending.method)
}

interface Sending {
  readonly upstream: Upstream
  readonly target: string
  readonly method: string
  readonly init: RequestInit
}

const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** @throws TypeError as the platform's fetch, with the failure as its cause; the reason of the signal */
function ask(options: OutgoingOptions, sending: Sending, fresh: boolean): Promise<IncomingMessage> {
  const { upstream, target, method, init } = sending
  const { signal } = init
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const headers = [...(init.headers as HeaderPair[]), ...framing(method, init.body)]
    const up = upstream.request({ method, target, headers, fresh })
    const fail = (cause: unknown): void => {
      end()
      up.destroy()
      reject(signal?.aborted === true ? signal.reason : failed(cause))
    }
    const late = Object.assign(new Error('it gave no sign in time'), { code: 'ETIMEDOUT' })
    const cancel = runAfter(options.timers, options.patience, () => fail(late))
    const abort = (): void => {
      up.destroy()
      fail(signal?.reason)
    }
    const end = (): void => cancel()
    signal?.addEventListener('abort', abort, { once: true })
    up.once('close', () => signal?.removeEventListener('abort', abort))
    up.once('response', answer => {
      end()
      resolve(answer)
    })
    up.on('error', cause => {
      const isStale =
        up.reusedSocket && !fresh && REPEATABLE.has(method) && init.body == null && signal?.aborted !== true
      if (!isStale) fail(cause)
      else {
        end()
        ask(options, sending, true).then(resolve, reject)
      }
    })
    up.once('upgrade', (_, socket) => {
      socket.destroy()
      fail(new Error('it changes the protocol, which it was not asked for'))
    })
    send(up, init.body).catch(fail)
  })
}

/** A failure of this kind is what the platform's fetch has. */
function failed(cause: unknown): TypeError {
  return new TypeError('fetch failed', { cause })
}

function framing(method: string, body: RequestInit['body']): HeaderPair[] {
  if (body instanceof ReadableStream) return [['transfer-encoding', 'chunked']]
  const length = body instanceof Uint8Array ? body.length : 0
  return length === 0 && (REPEATABLE.has(method) || method === 'DELETE')
    ? []
    : [['content-length', String(length)]]
}

/** As fast as it is taken. */
async function send(up: ClientRequest, body: RequestInit['body']): Promise<void> {
  if (!(body instanceof ReadableStream)) {
    up.end(body instanceof Uint8Array ? body : undefined)
    return
  }
  const reader = body.getReader()
  const gone = new Promise<never>((_, reject) => up.once('close', () => reject(new Error('it was closed'))))
  gone.catch(() => {})
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (up.destroyed) break
      if (done) {
        up.end()
        return
      }
      if (!up.write(value))
        await Promise.race([new Promise<void>(resolve => up.once('drain', resolve)), gone])
    }
  } catch (cause) {
    // An answer may have come before all of the body was taken, and then it is what counts.
    if (!up.destroyed && !up.writableFinished) throw cause
  }
  await reader.cancel().catch(() => {})
}

const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/** @throws TypeError for a status with which there is no response */
function responseOf(answer: IncomingMessage, method: string): Response {
  const status = answer.statusCode ?? 0
  if (status < 200 || status > 599) {
    answer.destroy()
    throw failed(new Error(`its status is ${status}`))
  }
  const headers = new Headers(pairsOf(answer.rawHeaders))
  if (BODILESS.has(status) || method === 'HEAD') {
    answer.resume()
    return new Response(null, { status, headers })
  }
  return new Response(Readable.toWeb(answer) as ReadableStream<Uint8Array>, { status, headers })
}
