import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { ByteCollector } from './byte-collector.js'
import { type GivenHeaders, groupHeaders } from './response-headers.js'

type Done = (error?: Error | null) => void

/** Those that send, and those that change what will be sent. */
const METHODS = [
  'write',
  'end',
  'writeHead',
  'flushHeaders',
  'setHeader',
  'appendHeader',
  'removeHeader',
  'addTrailers',
] as const

/** Node's own methods of a response, or those of whoever replaced them before. */
export type ResponseMethods = Pick<ServerResponse, (typeof METHODS)[number]>

/**
 * Keeps what a handler answers, and sends nothing, until it calls `end`. To the handler the response behaves as
 * ever: its head is fixed by the first of `writeHead`, `write`, `flushHeaders` and `end`. `release` gives the
 * response its own methods back in effect; `mute` makes it take, and ignore, whatever a handler still writes.
 */
export class ResponseBuffer {
  readonly response: ServerResponse
  readonly #own: ResponseMethods
  readonly #body: ByteCollector
  readonly #onEnd: (done: Done | undefined) => void
  readonly #onOverflow: () => void
  #state: 'buffering' | 'released' | 'muted' = 'buffering'
  #committed: number | undefined
  #trailers = false

  /**
   * @param maxBody bytes; `onOverflow` is called where the handler writes more.
   * @param onEnd is called when the handler has ended its response.
   */
  constructor(
    response: ServerResponse,
    maxBody: number,
    onEnd: (done: Done | undefined) => void,
    onOverflow: () => void,
  ) {
    this.response = response
    this.#own = ownMethods(response)
    this.#body = new ByteCollector(maxBody)
    this.#onEnd = onEnd
    this.#onOverflow = onOverflow
    this.#install()
  }

  get buffering(): boolean {
    return this.#state === 'buffering'
  }

  get body(): Buffer {
    return this.#body.bytes()
  }

  /** As it was when the head was fixed. */
  get status(): number {
    return this.#committed ?? this.response.statusCode
  }

  get hasTrailers(): boolean {
    return this.#trailers
  }

  release(): ResponseMethods {
    return this.#leave('released')
  }

  mute(): ResponseMethods {
    return this.#leave('muted')
  }

  #leave(state: 'released' | 'muted'): ResponseMethods {
    if (this.#state === 'buffering') Reflect.deleteProperty(this.response, 'headersSent')
    this.#state = state
    return this.#own
  }

  #install(): void {
    const { response } = this
    const headersSent = (): boolean => this.#committed !== undefined
    Object.defineProperty(response, 'headersSent', { configurable: true, get: headersSent })
    response.write = this.#write as ServerResponse['write']
    response.end = this.#end as ServerResponse['end']
    response.writeHead = this.#writeHead as ServerResponse['writeHead']
    response.flushHeaders = () => {
      if (this.buffering) this.#commit()
      else this.#own.flushHeaders()
    }
    response.addTrailers = headers => {
      if (this.buffering) this.#trailers = true
      else this.#own.addTrailers(headers)
    }
    this.#guardHeaders()
  }

  /** Once the head is fixed, Node lets nobody change it. */
  #guardHeaders(): void {
    const { setHeader, appendHeader, removeHeader } = this.#own
    this.response.setHeader = (name, value) => this.#open() && setHeader(name, value)
    this.response.appendHeader = (name, value) => this.#open() && appendHeader(name, value)
    this.response.removeHeader = name => {
      this.#open()
      removeHeader(name)
    }
  }

  #open(): true {
    if (this.buffering && this.#committed !== undefined) throw headersSentError()
    return true
  }

  readonly #writeHead = (
    status: number,
    reason?: string | GivenHeaders,
    headers?: GivenHeaders,
  ): ServerResponse => {
    if (!this.buffering) return this.#own.writeHead(status, reason as string, headers as OutgoingHttpHeaders)
    this.#open()
    if (!(status >= 100 && status <= 999)) throw new RangeError(`Invalid status code: ${status}`)
    if (typeof reason === 'string') this.response.statusMessage = reason
    const given = typeof reason === 'string' ? headers : (headers ?? reason)
    for (const [name, values] of groupHeaders(given)) this.#own.setHeader(name, values)
    this.response.statusCode = Math.trunc(status)
    this.#committed = Math.trunc(status)
    return this.response
  }

  /** Through the property, for the sake of those who replaced it to hear when the head is fixed. */
  #commit(): void {
    if (this.#committed === undefined) this.response.writeHead(this.response.statusCode)
  }

  readonly #write = (chunk: unknown, encoding?: BufferEncoding | Done, callback?: Done): boolean => {
    const done = typeof encoding === 'function' ? encoding : callback
    if (this.#state === 'released') return this.#own.write(chunk, encoding as BufferEncoding, callback)
    if (this.buffering) this.#take(chunk, encoding)
    if (done !== undefined) process.nextTick(done)
    // Who writes into nothing shall wait: a source that never does would keep the process from all else.
    return this.buffering
  }

  readonly #end = (chunk?: unknown, encoding?: BufferEncoding | Done, callback?: Done): ServerResponse => {
    if (this.#state === 'released') return this.#own.end(chunk, encoding as BufferEncoding, callback)
    const done = [chunk, encoding, callback].find(argument => typeof argument === 'function') as
      | Done
      | undefined
    if (this.buffering && chunk && typeof chunk !== 'function') this.#take(chunk, encoding)
    if (this.buffering) {
      this.#commit()
      this.#onEnd(done)
    } else if (done !== undefined) process.nextTick(done)
    return this.response
  }

  #take(chunk: unknown, encoding: BufferEncoding | Done | undefined): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encodingOf(encoding)) : chunk
    if (!(bytes instanceof Uint8Array)) throw new TypeError('a chunk of a response is a string or bytes')
    this.#commit()
    if (!this.#body.append(bytes)) this.#onOverflow()
  }
}

function ownMethods(response: ServerResponse): ResponseMethods {
  const bound = METHODS.map(name => [name, response[name].bind(response)] as const)
  return Object.fromEntries(bound) as unknown as ResponseMethods
}

function encodingOf(encoding: BufferEncoding | Done | undefined): BufferEncoding {
  return typeof encoding === 'string' ? encoding : 'utf8'
}

function headersSentError(): Error {
  const error = new Error('Cannot change headers after they are sent to the client')
  return Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' })
}
