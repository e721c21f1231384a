import { type OutgoingHttpHeaders, OutgoingMessage, type ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { ByteCollector } from './byte-collector.js'
import { type GivenHeaders, groupHeaders } from './headers.js'
import { PipedSources } from './piped-sources.js'
import { bytesOf, type Done, doneOf, type Encoding } from './written.js'

/** The methods that send, and those that change what will be sent. */
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

/** Node's own methods of a response, or those that replaced them before. */
export type ResponseMethods = Pick<ServerResponse, (typeof METHODS)[number]>

/** Takes the body of a response as the handler writes it. */
export interface BodySink {
  /** @returns whether more may be written at once; else the response emits `drain` */
  write(bytes: Uint8Array, done: Done | undefined): boolean
  end(bytes: Uint8Array | undefined, done: Done | undefined): void
}

/** Called for what a handler does with its response. */
export interface ResponseWatcher {
  /**
   * The handler sends something of its response, whose head is fixed now. Called once.
   * @param isWhole whether the response ends with it
   * @returns what takes the body from now on; `undefined` if it is to be collected
   */
  onStream(isWhole: boolean): BodySink | undefined
  /** The handler has ended its response. */
  onEnd(done: Done | undefined): void
  /** The handler wrote more than a response may have. */
  onOverflow(): void
}

const NO_BODY = Buffer.alloc(0)

/**
 * Keeps what a handler answers, and sends nothing, until the handler calls `end`. To the handler the response behaves
 * as usual: its head is fixed by the first call of `writeHead`, `write`, `flushHeaders` or `end`. A body that is not
 * collected goes to a `BodySink` as it is written. `release` passes everything on to the response's own methods. `mute`
 * makes it accept, and ignore, whatever the handler still writes.
 */
export class ResponseBuffer {
  readonly #response: ServerResponse
  #watcher: ResponseWatcher
  readonly #maxBody: number
  /** Not bound: each is called on the response. */
  readonly #own: ResponseMethods
  #body: ByteCollector | undefined
  #state: 'buffering' | 'streaming' | 'released' | 'muted' = 'buffering'
  /** What takes the body; `null` if it is collected, and `undefined` until the handler sends something. */
  #sink: BodySink | null | undefined
  #committed: number | undefined
  #trailers = false
  readonly #sources: PipedSources
  #over: (() => void) | undefined

  /**
   * Accepts nothing until the response is diverted to it.
   * @param maxBody bytes
   */
  constructor(response: ServerResponse, maxBody: number, watcher: ResponseWatcher) {
    this.#response = response
    this.#watcher = watcher
    this.#maxBody = maxBody
    this.#sources = new PipedSources(response)
    const { write, end, writeHead, flushHeaders } = response
    const { setHeader, appendHeader, removeHeader, addTrailers } = response
    this.#own = { write, end, writeHead, flushHeaders, setHeader, appendHeader, removeHeader, addTrailers }
  }

  get buffering(): boolean {
    return this.#state === 'buffering'
  }

  /** Whether the head was sent, and the handler has not ended its response. */
  get isStreaming(): boolean {
    return this.#state === 'streaming'
  }

  get body(): Buffer {
    return this.#body?.bytes() ?? NO_BODY
  }

  /** The head as it was when it was fixed. */
  get status(): number {
    return this.#committed ?? this.#response.statusCode
  }

  get hasTrailers(): boolean {
    return this.#trailers
  }

  /**
   * Calls `run` when what is still written is passed on, or ignored. Whoever answers in the handler's place changes nothing
   * about that.
   */
  onceOver(run: () => void): void {
    const before = this.#over
    this.#over =
      before === undefined
        ? run
        : () => {
            before()
            run()
          }
  }

  release(): void {
    this.#state = 'released'
    this.#over?.()
  }

  /** Drops what was written, as if nothing had been, and tells another watcher of what is written from now on. */
  restart(watcher: ResponseWatcher): void {
    this.#sources.unpipe()
    this.#watcher = watcher
    this.#body = undefined
    this.#committed = undefined
    this.#trailers = false
    this.#sink = undefined
  }

  /** From now on the head is sent by whoever calls this, and the body by a sink. @returns the methods that send */
  stream(): ResponseMethods {
    this.#state = 'streaming'
    return this.#ownMethods()
  }

  /** Ignores what the handler still writes, and closes the streams it pipes. @returns the methods that still send */
  mute(): ResponseMethods {
    this.#state = 'muted'
    this.#over?.()
    this.#sources.closeAll()
    return this.#ownMethods()
  }

  #ownMethods(): ResponseMethods {
    const bound = METHODS.map(name => [name, this.#own[name].bind(this.#response)] as const)
    return Object.fromEntries(bound) as unknown as ResponseMethods
  }

  /** Whether something was written, or a stream will write it. */
  get hasBegun(): boolean {
    return this.headersSent || this.#sources.size > 0
  }

  piped(source: Readable): void {
    if (this.#state === 'muted') this.#sources.close(source)
    else this.#sources.add(source)
  }

  unpiped(source: Readable): void {
    this.#sources.remove(source)
  }

  get headersSent(): boolean {
    if (this.buffering) return this.#committed !== undefined
    return Reflect.get(OutgoingMessage.prototype, 'headersSent', this.#response)
  }

  setHeader(name: string, value: number | string | readonly string[]): void {
    if (this.#isOver) return
    this.#requireOpen()
    this.#own.setHeader.call(this.#response, name, value)
  }

  /** As `setHeader`, of a head that is fixed but not sent. */
  setFixedHeader(name: string, value: string): void {
    this.#own.setHeader.call(this.#response, name, value)
  }

  appendHeader(name: string, value: string | readonly string[]): void {
    if (this.#isOver) return
    this.#requireOpen()
    this.#own.appendHeader.call(this.#response, name, value)
  }

  removeHeader(name: string): void {
    if (this.#isOver) return
    this.#requireOpen()
    this.#own.removeHeader.call(this.#response, name)
  }

  addTrailers(headers: OutgoingHttpHeaders | readonly [string, string][]): void {
    if (this.buffering || this.isStreaming) this.#trailers = true
    else this.#own.addTrailers.call(this.#response, headers as OutgoingHttpHeaders)
  }

  writeHead(status: number, reason?: string | GivenHeaders, headers?: GivenHeaders): void {
    if (this.#isOver) return
    const { writeHead, setHeader } = this.#own
    if (!this.buffering) {
      Reflect.apply(writeHead, this.#response, [status, reason, headers])
      return
    }
    this.#requireOpen()
    if (!(status >= 100 && status <= 999)) throw new RangeError(`Invalid status code: ${status}`)
    if (typeof reason === 'string') this.#response.statusMessage = reason
    const given = typeof reason === 'string' ? headers : (headers ?? reason)
    if (given) for (const [name, value] of groupHeaders(given)) setHeader.call(this.#response, name, value)
    this.#response.statusCode = Math.trunc(status)
    this.#committed = Math.trunc(status)
  }

  flushHeaders(): void {
    if (this.buffering) this.#openSink(false)
    if (this.isStreaming || this.#state === 'released') this.#own.flushHeaders.call(this.#response)
  }

  write(chunk: unknown, encoding?: Encoding, callback?: Done): boolean {
    const done = typeof encoding === 'function' ? encoding : callback
    if (this.#state === 'released') {
      return this.#own.write.call(this.#response, chunk, encoding as BufferEncoding, callback)
    }
    if (this.#state !== 'muted') {
      const bytes = bytesOf(chunk, encoding)
      const sink = this.#openSink(false)
      if (sink !== undefined) return sink.write(bytes, done)
      this.#collect(bytes)
    }
    if (done !== undefined) process.nextTick(done)
    // A source that writes into a muted response must wait. One that never waits would occupy the process.
    return this.buffering
  }

  end(chunk?: unknown, encoding?: Encoding, callback?: Done): void {
    if (this.#state === 'released') {
      this.#own.end.call(this.#response, chunk, encoding as BufferEncoding, callback)
      return
    }
    const done = doneOf(chunk, encoding, callback)
    const hasChunk = this.#state !== 'muted' && chunk && typeof chunk !== 'function'
    const bytes = hasChunk ? bytesOf(chunk, encoding) : undefined
    const sink = this.#state === 'muted' ? undefined : this.#openSink(true)
    if (sink !== undefined) {
      this.release()
      sink.end(bytes, done)
      return
    }
    if (bytes !== undefined) this.#collect(bytes)
    if (this.buffering) this.#watcher.onEnd(done)
    else if (done !== undefined) process.nextTick(done)
  }

  /** Something else was answered: the handler, which cannot know, must not fail for what it still does. */
  get #isOver(): boolean {
    return this.#state === 'muted' && this.headersSent
  }

  /** Node does not let a head be changed once it is fixed. */
  #requireOpen(): void {
    if (this.buffering && this.#committed !== undefined) throw headersSentError()
  }

  /** Calls the property, since middleware replaces it to learn when the head is fixed. */
  #commit(): void {
    if (this.#committed === undefined) this.#response.writeHead(this.#response.statusCode)
  }

  /** What takes the body, if it is not collected. */
  #openSink(isWhole: boolean): BodySink | undefined {
    if (this.buffering) this.#commit()
    if (this.#sink === undefined) this.#sink = this.#watcher.onStream(isWhole) ?? null
    return (this.isStreaming && this.#sink) || undefined
  }

  #collect(bytes: Uint8Array): void {
    if (!this.buffering) return
    this.#body ??= new ByteCollector(this.#maxBody)
    if (!this.#body.append(bytes)) this.#watcher.onOverflow()
  }
}

function headersSentError(): Error {
  const error = new Error('Cannot change headers after they are sent to the client')
  return Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' })
}
