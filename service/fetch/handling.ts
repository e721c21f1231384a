import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { WINDOW } from '../../shared/constants.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Cancel, inBackground, runAfter } from '../../shared/timers.js'
import { RequestAborted } from '../request/message.js'
import { requestFields } from '../request/refuse.js'
import type { Watched } from '../request/revocation.js'
import { whenTicketsEnd } from '../request/stream-end.js'
import { type AcceptedTicket, abortTicket } from '../request/ticket.js'
import { type UnsealedRequest, unsealRequest } from '../request/unseal-request.js'
import type { FetchGate } from './options.js'
import type { FetchMessage } from './request.js'
import type { StreamWatcher } from './respond.js'
import type { SealedBody } from './sealed-body.js'

export interface HandlingOptions {
  readonly gate: Pick<FetchGate, 'service' | 'streamsOutliveTickets'>
  readonly message: FetchMessage
  readonly verified: VerifiedRequest
  readonly ticket: AcceptedTicket
  readonly isSealed: boolean
  /** Of the request: it aborts when the client goes away, if the server says so. */
  readonly signal: AbortSignal | undefined
}

/** How a request ends before its handler does: a cause for which it is refused, or nobody is to be answered. */
export interface Interruption {
  readonly cause: OrthrusError | undefined
}

/**
 * An authorised request from the call of its handler until all of its response was sent, if that is sealed, and all of its
 * body was read, if that is: for so long its tickets must be good.
 */
export class Handling implements StreamWatcher {
  readonly #options: HandlingOptions
  readonly #stop = new AbortController()
  readonly interrupted: Promise<Interruption>
  #interrupt: (interruption: Interruption) => void = () => {}
  readonly #watched: Watched
  #forgetEnd: Cancel = () => {}
  #forgetIdle: Cancel = () => {}
  #body: UnsealedRequest | undefined
  #sealed: SealedBody | undefined
  #isAnswered = false

  constructor(options: HandlingOptions) {
    const { gate, verified, isSealed, signal } = options
    this.#options = options
    this.interrupted = new Promise(resolve => {
      this.#interrupt = resolve
    })
    this.#watched = { tickets: verified.tickets, end: cause => this.#end(cause) }
    gate.service.revocation?.watch(this.#watched)
    if (isSealed) this.#body = this.#unseal()
    signal?.addEventListener('abort', this.#leave, { once: true })
    if (signal?.aborted) this.#leave()
  }

  /** Aborts when what the handler still does is to be dropped. */
  get stop(): AbortSignal {
    return this.#stop.signal
  }

  onStream(): void {
    const { gate, verified } = this.#options
    if (gate.streamsOutliveTickets) return
    this.#forgetEnd()
    this.#forgetEnd = whenTicketsEnd(verified, gate.service, cause => this.#end(cause))
  }

  onSealed(body: SealedBody): void {
    this.#sealed = body
    if (this.stop.aborted) body.end(this.stop.reason)
  }

  onOver(): void {
    this.#sealed = undefined
    this.#settle()
  }

  /** The response is made, though some of it may still be to come. */
  answered(): void {
    this.#isAnswered = true
    this.#settle()
  }

  #unseal(): UnsealedRequest {
    const { gate, message, verified, ticket } = this.#options
    return unsealRequest(message, verified, gate.service, {
      mayOutliveTickets: gate.streamsOutliveTickets,
      onBroken: cause => this.#broke(cause),
      onExpired: cause => abortTicket(ticket, cause),
      onOver: () => this.#settle(),
    })
  }

  /** An answer to a part of a request would be taken for one to all of it. */
  #broke(cause: Error | undefined): void {
    const { gate, message, verified } = this.#options
    const fields = requestFields(message)
    if (cause === undefined || cause instanceof RequestAborted)
      gate.service.report({ kind: 'aborted', ...fields })
    else {
      const reason = cause instanceof OrthrusError ? cause.reason : cause.message
      gate.service.report({ kind: 'body_broken', client: verified.client, reason, ...fields })
    }
    this.#cut(cause ?? gone(), undefined)
  }

  /** Step 8 fails from now on, or a ticket of a stream has ended. */
  #end(cause: OrthrusError): void {
    if (this.#body?.isOpen) this.#body.end(cause)
    else this.#cut(cause, cause)
    abortTicket(this.#options.ticket, cause)
  }

  readonly #leave = (): void => {
    if (this.#body?.isOpen) this.#body.end(gone())
    else this.#cut(gone(), undefined)
  }

  /** @param refused for which a request is refused whose response has not begun */
  #cut(cause: Error, refused: OrthrusError | undefined): void {
    this.#interrupt({ cause: refused })
    this.#stop.abort(cause)
    this.#sealed?.end(cause)
  }

  #settle(): void {
    if (!this.#isAnswered || this.#sealed !== undefined) return
    if (this.#body?.isOpen) {
      this.#leaveIdle()
      return
    }
    this.#options.gate.service.revocation?.forget(this.#watched)
    this.#forgetEnd()
    this.#forgetIdle()
    this.#options.signal?.removeEventListener('abort', this.#leave)
  }

  /** A handler may go on reading behind its response. But what nobody has begun to read, or reads, nobody will. */
  #leaveIdle(): void {
    const { message, gate } = this.#options
    const { reads } = message.body
    if (reads === 0) {
      message.body.leave()
      return
    }
    const look = (): void => (message.body.reads === reads ? message.body.leave() : this.#leaveIdle())
    this.#forgetIdle = runAfter(inBackground(gate.service.timers), WINDOW.BODY, look)
  }
}

function gone(): RequestAborted {
  return new RequestAborted('the client went away')
}
