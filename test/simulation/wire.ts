import type { Server } from 'node:http'
import { Duplex } from 'node:stream'

/** HTTP/1.1 as bytes, and a connection in memory to a server of `node:http`: what the network controls. */

export interface WireRequest {
  readonly method: string
  readonly url: URL
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
}

const BREAK = '\r\n\r\n'

export function encodeRequest({ method, url, headers, body }: WireRequest): Buffer {
  const own = [
    ['host', url.host],
    ['connection', 'close'],
    ...(body.length > 0 ? [['content-length', String(body.length)]] : []),
  ]
  const lines = [...own, ...headers].map(([name, value]) => `${name}: ${value}`)
  const head = [`${method} ${url.pathname}${url.search} HTTP/1.1`, ...lines].join('\r\n')
  return Buffer.concat([Buffer.from(`${head}${BREAK}`, 'latin1'), body])
}

/** Where the body of a message begins. */
export function headLength(bytes: Buffer): number {
  const at = bytes.indexOf(BREAK)
  return at < 0 ? bytes.length : at + BREAK.length
}

/** An answer written by hand. */
export function encodeResponse(
  status: number,
  headers: readonly (readonly [name: string, value: string])[],
  body: string | Uint8Array,
): Buffer {
  const bytes = Buffer.from(body)
  const lines = [...headers, ['content-length', String(bytes.length)]].map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status} Some Reason\r\n${lines.join('')}\r\n`, 'latin1'),
    bytes,
  ])
}

const BODILESS: ReadonlySet<number> = new Set([101, 204, 205, 304])

/**
 * As the platform's `fetch` reads it.
 * @throws TypeError if it is not a whole answer
 */
export function decodeResponse(bytes: Buffer, method: string): Response {
  const length = headLength(bytes)
  const [first = '', ...lines] = bytes.toString('latin1', 0, length).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1])
  if (!(status >= 200 && status <= 599)) throw lost('no HTTP')
  const headers = new Headers()
  for (const line of lines.filter(line => line !== '')) {
    const colon = line.indexOf(':')
    if (colon < 1) throw lost('no header')
    headers.append(line.slice(0, colon), line.slice(colon + 1))
  }
  const body = bytes.subarray(length)
  const bodiless = BODILESS.has(status) || method === 'HEAD'
  const announced = Number(headers.get('content-length') ?? body.length)
  if (!bodiless && body.length < announced) throw lost('the body ends early')
  return new Response(bodiless ? null : Uint8Array.from(body.subarray(0, announced)), { status, headers })
}

/** The error of the platform's `fetch`. */
export function lost(reason: string): TypeError {
  return new TypeError('fetch failed', { cause: new Error(reason) })
}

/** A connection that a server was given. Its answer is reported when the server ends it. */
export class Wire extends Duplex {
  readonly #pieces: Buffer[] = []
  readonly #answered: (bytes: Buffer | undefined) => void
  #told = false

  /** @param answered called once, with nothing if the connection broke before anything came */
  constructor(answered: (bytes: Buffer | undefined) => void) {
    super()
    this.#answered = answered
    this.on('error', () => {})
    this.on('close', () => this.#tell())
  }

  static open(server: Server, answered: (bytes: Buffer | undefined) => void): Wire {
    const wire = new Wire(answered)
    server.emit('connection', wire)
    return wire
  }

  override _read(): void {}

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#pieces.push(piece)
    done()
  }

  override _final(done: () => void): void {
    this.#tell()
    done()
    this.destroy()
  }

  #tell(): void {
    if (this.#told) return
    this.#told = true
    this.#answered(this.#pieces.length === 0 ? undefined : Buffer.concat(this.#pieces))
  }
}
