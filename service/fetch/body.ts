import { OpenedBody } from '../../shared/channel/opened-body.js'
import { brokenStream } from '../../shared/channel/sealed-stream.js'
import { malformed } from '../../shared/errors.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import {
  type BodyLimits,
  type EndStream,
  RequestAborted,
  type RequestBody,
  type UnsealOptions,
} from '../request/message.js'
import { late, tooLarge } from '../request/verify.js'
import { collectBounded, NotBytes } from './bounded-reader.js'

/** The body of a web `Request`, read once and kept, so that the handler can be given the same bytes. */
export class FetchBody implements RequestBody {
  readonly #request: Request
  readonly #timers: Timers
  readonly #fault: string | undefined
  #bytes: Uint8Array | undefined
  #opened: OpenedBody | undefined

  /** @param fault why the request cannot be bound, whatever its body is. */
  constructor(request: Request, timers: Timers, fault: string | undefined) {
    this.#request = request
    this.#timers = timers
    this.#fault = fault
  }

  /** What was read, if there was a body. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes
  }

  /** What a sealed body is opened to, while its handler reads it. */
  get opened(): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
    return this.#opened?.stream
  }

  get isMissing(): boolean {
    const { body, headers } = this.#request
    return body === null || headers.get('content-length') === '0'
  }

  requireReadable(): void {
    if (this.#fault !== undefined) throw malformed(this.#fault)
    const { method, body, bodyUsed, headers } = this.#request
    if (bodyUsed || body?.locked) {
      throw new TypeError(
        'the body was read before requireTicket saw it: put requireTicket around whatever reads bodies',
      )
    }
    if (body === null && announcesBody(headers)) {
      throw malformed(`a body with ${method}, which a Request does not show, so that nobody can check it`)
    }
  }

  async read({ maxBody, timeout, ending }: BodyLimits): Promise<Uint8Array> {
    const { body, headers, signal } = this.#request
    if (body === null) return NO_BODY
    if (Number(headers.get('content-length') ?? 0) > maxBody) throw tooLarge(maxBody)
    const reader = body.getReader()
    try {
      const bytes = await new Promise<Uint8Array | undefined>((resolve, reject) => {
        const abort = (): void =>
          reject(new RequestAborted('the client went away before its request was whole'))
        const cancel = runAfter(this.#timers, timeout, () => reject(late()))
        if (ending !== undefined) ending.onEnd = reject
        signal?.addEventListener('abort', abort)
        if (signal?.aborted) abort()
        collectBounded(reader, maxBody)
          .then(resolve, cause => (cause instanceof NotBytes ? reject(cause) : abort()))
          .finally(() => {
            cancel()
            signal?.removeEventListener('abort', abort)
          })
      })
      if (bytes === undefined) throw tooLarge(maxBody)
      this.#bytes = bytes
      return bytes
    } finally {
      // Not cancelled: a server may close the connection for that, and the client would not get its answer.
      reader.releaseLock()
    }
  }

  unseal({ opener, clock, timers, onBroken, onOver }: UnsealOptions): EndStream {
    const { body } = this.#request
    if (body === null) throw brokenStream('it is missing')
    const opened = new OpenedBody({
      body,
      opener,
      clock,
      timers,
      leavesRest: true,
      onOver,
      onBroken: (cause, isCut) => onBroken(isCut ? undefined : (cause as Error)),
    })
    this.#opened = opened
    return cause => opened.end(cause)
  }

  /** How often a sealed body was read. */
  get reads(): number {
    return this.#opened?.reads ?? 0
  }

  /** Nobody reads a sealed body any more. */
  leave(): void {
    this.#opened?.leave()
  }
}

const NO_BODY = new Uint8Array()

/** Whether a body came that the `Request` does not have, as servers leave it out of a GET or HEAD. */
function announcesBody(headers: Headers): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) !== 0
}
