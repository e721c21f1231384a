import type { StreamOpener } from '../../shared/channel/sealed-stream.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

/**
 * A request and a response as values. Everything in this folder works on them. The adapter of a server makes them of
 * what it has and sends what it is given; `service/node-http/` is the adapter of `node:http`.
 */

export type Header = readonly [name: string, value: string]

export interface RequestMessage {
  readonly method: string
  /** Path and query as they stood on the request line. */
  readonly target: string
  /** All headers in the order in which they came. A name may come in any case, and twice. */
  readonly headers: readonly Header[]
  /** `undefined` only if the message says that no body follows. */
  readonly body: RequestBody | undefined
}

/** The body of a request, which is read only after step 8 of docs/protocol.md section 8. */
export interface RequestBody {
  /**
   * Called once, before step 1.
   * @throws OrthrusError `malformed` if the message does not say where its body ends, or whether it has one
   * @throws TypeError if the body was read by somebody else
   */
  requireReadable(): void
  /** Whether there is none, where the message does not say so. Such a body cannot be sealed. */
  readonly isMissing?: boolean
  /**
   * The whole body. Called at most once.
   * @throws OrthrusError `too_large`; `binding_mismatch` if it takes too long; `malformed` for trailers
   * @throws RequestAborted
   */
  read(limits: BodyLimits): Promise<Uint8Array>
  /**
   * Instead of `read`, once the request was authorised: whoever reads the body afterwards reads what the opener hands on.
   * An adapter without it refuses sealed bodies.
   */
  unseal?(options: UnsealOptions): EndStream
}

/** Ends a stream for this reason, if it is not over. */
export type EndStream = (cause: Error) => void

/** How a sealed body is opened while its handler reads it (docs/protocol.md section 8, Sealed bodies). */
export interface UnsealOptions {
  readonly opener: StreamOpener
  readonly clock: Clock
  readonly timers: Timers
  /** The body broke, or was ended, and no more of it is handed on. @param cause `undefined` if the client went away */
  onBroken(cause: Error | undefined): void
  /** Called once, when all of the body was handed on, or before `onBroken`. */
  onOver(): void
}

/** By which a body that is being read can be given up. */
export class Ending {
  #end: ((cause: Error) => void) | undefined

  /** Gives it up, if it is still being read. */
  end(cause: Error): void {
    this.#end?.(cause)
  }

  /** @param end ends the reading with this cause */
  set onEnd(end: (cause: Error) => void) {
    this.#end = end
  }
}

export interface BodyLimits {
  /** Bytes. */
  readonly maxBody: number
  /** Milliseconds. */
  readonly timeout: number
  readonly ending?: Ending | undefined
}

/** The client went away. Nobody is left to answer. */
export class RequestAborted extends Error {
  override readonly name = 'RequestAborted'
}

export interface ResponseMessage {
  readonly status: number
  readonly headers: readonly Header[]
  readonly body: Uint8Array
}
