import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { malformed } from '../../../../shared/errors.js'

/** gRPC over HTTP/2, as a client: one stream for each call, messages with their lengths before them, a status at the end. */

/** The statuses that are told apart. The others are refusals. */
export const STATUS = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  OUT_OF_RANGE: 11,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const

/** A call that did not succeed, with the server's status, or with the one that means what happened on the way. */
export class GrpcFailure extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The largest message that is read, bytes: a page of records is far below it. */
const MESSAGE_MAX = 64 * 1024 * 1024

/** Of a status that a server sends. */
const REASON_MAX = 500

const PREFIX_BYTES = 5

const NOTHING = new Uint8Array()

/** Takes messages out of the bytes as they come. */
export class MessageSplitter {
  #chunks: Uint8Array[] = []
  #held = 0
  #wanted = PREFIX_BYTES

  /** @returns the messages that are whole now. @throws OrthrusError `malformed` */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    const messages: Uint8Array[] = []
    if (this.#held < this.#wanted) return messages
    const [first = NOTHING] = this.#chunks
    const bytes = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks)
    let at = 0
    this.#wanted = PREFIX_BYTES
    while (bytes.length - at >= PREFIX_BYTES) {
      const length = lengthAt(bytes, at)
      if (length > bytes.length - at - PREFIX_BYTES) {
        this.#wanted = PREFIX_BYTES + length
        break
      }
      at += PREFIX_BYTES
      messages.push(length === 0 ? NOTHING : new Uint8Array(bytes.subarray(at, at + length)))
      at += length
    }
    this.#held = bytes.length - at
    this.#chunks = this.#held === 0 ? [] : [bytes.subarray(at)]
    return messages
  }

  /** Whether no message is half there. */
  get isEmpty(): boolean {
    return this.#held === 0
  }
}

/** How long the message is whose prefix stands there. @throws OrthrusError `malformed` */
function lengthAt(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0) throw malformed('a compressed message, which nobody asked for')
  let length = 0
  for (let i = at + 1; i < at + PREFIX_BYTES; i++) length = length * 256 + (bytes[i] as number)
  if (length > MESSAGE_MAX) throw malformed(`a message of ${length} bytes`)
  return length
}

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

export interface StreamListener {
  message(bytes: Uint8Array): void
  /** Called once, after the last message. The status says how it ended: 0 is in order. */
  ended(failure: GrpcFailure): void
}

/** One call. */
export class GrpcStream {
  readonly #stream: ClientHttp2Stream
  readonly #listener: StreamListener
  readonly #splitter = new MessageSplitter()
  #failure: GrpcFailure | undefined
  #isOver = false

  constructor(
    session: ClientHttp2Session,
    path: string,
    metadata: Readonly<Record<string, string>>,
    listener: StreamListener,
  ) {
    this.#listener = listener
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }
    this.#stream = session.request({ ...headers, ...metadata }, { endStream: false })
    this.#stream.on('response', received => this.#answered(received))
    this.#stream.on('data', chunk => this.#received(chunk))
    this.#stream.on('trailers', trailers => this.#stated(trailers))
    this.#stream.on('error', cause => this.#fail(STATUS.UNAVAILABLE, cause.message))
    this.#stream.on('close', () => this.#end())
  }

  send(message: Uint8Array): void {
    if (!this.#stream.writable) return
    this.#stream.write(frame(message))
  }

  /** Nothing more is sent. */
  finish(): void {
    this.#stream.end()
  }

  /** The listener hears how it ended, as everywhere. */
  cancel(status: number, reason: string): void {
    this.#fail(status, reason)
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#end()
  }

  #answered(headers: IncomingHttpHeaders): void {
    const status = headers[':status'] as number | undefined
    const type = headers['content-type'] ?? ''
    if (status === 200 && type.startsWith('application/grpc')) this.#stated(headers)
    else this.cancel(STATUS.UNAVAILABLE, `it answers as HTTP ${status} ${type}`.slice(0, REASON_MAX))
  }

  /** An answer without messages has its status at the head. */
  #stated(headers: IncomingHttpHeaders): void {
    const status = headers['grpc-status']
    if (status === undefined) return
    const isNumber = typeof status === 'string' && /^[0-9]{1,3}$/.test(status)
    this.#fail(isNumber ? Number(status) : STATUS.UNAVAILABLE, reasonOf(headers['grpc-message']))
  }

  #received(chunk: Uint8Array): void {
    if (this.#isOver) return
    try {
      for (const message of this.#splitter.push(chunk)) if (!this.#isOver) this.#listener.message(message)
    } catch (cause) {
      this.cancel(STATUS.UNAVAILABLE, `its answer cannot be read: ${(cause as Error).message}`)
    }
  }

  /** The first reason is the one that counts. */
  #fail(status: number, reason: string): void {
    this.#failure ??= new GrpcFailure(status, reason)
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    const isInOrder = (this.#failure?.status ?? STATUS.OK) === STATUS.OK
    if (isInOrder && !this.#splitter.isEmpty)
      this.#failure = new GrpcFailure(STATUS.UNAVAILABLE, 'its answer was cut off')
    this.#listener.ended(this.#failure ?? new GrpcFailure(STATUS.UNAVAILABLE, 'the connection was cut'))
  }
}

/** Percent signs stand for bytes. */
function reasonOf(header: string | readonly string[] | undefined): string {
  if (typeof header !== 'string') return 'without a reason'
  const text = header.slice(0, REASON_MAX)
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
