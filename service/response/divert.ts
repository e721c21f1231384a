import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { AttachedState } from './attached-state.js'
import type { ResponseBuffer, ResponseMethods } from './buffer.js'
import type { GivenHeaders } from './headers.js'
import type { Done, Encoding } from './written.js'

/** Lets the buffer take every call that sends something, or that changes what will be sent. */
export function divert(response: ServerResponse, buffer: ResponseBuffer): void {
  new Diverted(response, buffer)
  Object.assign(response, INSTEAD)
  Object.defineProperty(response, 'headersSent', HEADERS_SENT)
  response.on('pipe', notePipe)
}

function notePipe(this: ServerResponse, source: Readable): void {
  bufferOf(this).piped(source)
  // Most responses have nothing that pipes into them, so only those that do have the second listener.
  if (this.listenerCount('unpipe', noteUnpipe) === 0) this.on('unpipe', noteUnpipe)
}

function noteUnpipe(this: ServerResponse, source: Readable): void {
  bufferOf(this).unpiped(source)
}

/** The buffer of a response, kept on the response itself. */
class Diverted extends AttachedState {
  readonly #buffer: ResponseBuffer

  constructor(response: ServerResponse, buffer: ResponseBuffer) {
    super(response)
    this.#buffer = buffer
  }

  /** Of the response, or of the response that an object was derived from. */
  static find(response: object): ResponseBuffer | undefined {
    for (let object: object | null = response; object !== null; object = Object.getPrototypeOf(object)) {
      if (#buffer in object) return object.#buffer
    }
    return undefined
  }
}

/** The buffer that a response was diverted to, if it was. */
export function divertedTo(response: ServerResponse): ResponseBuffer | undefined {
  return Diverted.find(response)
}

/** @throws TypeError if there is none */
function bufferOf(response: object): ResponseBuffer {
  const buffer = Diverted.find(response)
  if (buffer === undefined) throw new TypeError('a method of a response was called on something else')
  return buffer
}

/** What a buffered response has in place of its own methods. All responses share the same functions. */
const INSTEAD = {
  write(this: ServerResponse, chunk: unknown, encoding?: Encoding, callback?: Done): boolean {
    return bufferOf(this).write(chunk, encoding, callback)
  },
  end(this: ServerResponse, chunk?: unknown, encoding?: Encoding, callback?: Done): ServerResponse {
    bufferOf(this).end(chunk, encoding, callback)
    return this
  },
  writeHead(
    this: ServerResponse,
    status: number,
    reason?: string | GivenHeaders,
    headers?: GivenHeaders,
  ): ServerResponse {
    bufferOf(this).writeHead(status, reason, headers)
    return this
  },
  flushHeaders(this: ServerResponse): void {
    bufferOf(this).flushHeaders()
  },
  setHeader(this: ServerResponse, name: string, value: number | string | readonly string[]): ServerResponse {
    bufferOf(this).setHeader(name, value)
    return this
  },
  appendHeader(this: ServerResponse, name: string, value: string | readonly string[]): ServerResponse {
    bufferOf(this).appendHeader(name, value)
    return this
  },
  removeHeader(this: ServerResponse, name: string): void {
    bufferOf(this).removeHeader(name)
  },
  addTrailers(this: ServerResponse, headers: OutgoingHttpHeaders | readonly [string, string][]): void {
    bufferOf(this).addTrailers(headers)
  },
} satisfies Record<keyof ResponseMethods, unknown>

const HEADERS_SENT = {
  configurable: true,
  get(this: ServerResponse): boolean {
    return bufferOf(this).headersSent
  },
}
