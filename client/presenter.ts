import type { AuthKey } from '../shared/crypto/keys.js'
import type { RandomSource } from '../shared/crypto/random.js'
import { OrthrusError } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import type { Principal } from '../shared/principal.js'
import { type ApRequest, type ApType, createApRequest } from '../shared/protocol/ap.js'
import { SIZE } from '../shared/protocol/constants.js'
import type { WireError } from '../shared/protocol/error.js'
import { type Answer, answerTo } from './answers.js'
import type { Span } from './kdc-time.js'
import { serviceRefusal } from './refusals.js'
import { type ServiceTicket, secretsOf } from './service-ticket.js'
import type { ServiceTimes } from './service-times.js'
import type { TicketCache } from './ticket-cache.js'
import { abortable, sleep, type Timers } from './timers.js'

/** An AP-REQ or AP-OPEN as it goes out, with what its answer is checked against. */
export interface Presented {
  readonly ticket: ServiceTicket
  readonly key: AuthKey
  readonly request: ApRequest
}

/** The service's ERROR, or one in its name, and when it came. */
export interface ErrorAnswer {
  readonly error: WireError
  readonly span: Span
}

export interface Presentation<T extends object> {
  readonly service: Principal
  readonly type: ApType
  readonly binding: Uint8Array
  /** Whether it does no harm twice (docs/protocol.md section 8). */
  readonly safe: boolean
  readonly signal?: AbortSignal
  /** Sends the bytes and gives what came, proved. */
  send(presented: Presented): Promise<T | ErrorAnswer>
}

export interface PresenterOptions {
  readonly client: Principal
  readonly tickets: TicketCache
  readonly times: ServiceTimes
  readonly timers: Timers
  readonly random: RandomSource
  readonly logger: Logger
}

/** Presents tickets to services, and does with their errors what section 8 says: once for each request. */
export class Presenter {
  readonly #options: PresenterOptions

  constructor(options: PresenterOptions) {
    this.#options = options
  }

  /** @throws OrthrusError with the service's code, `refused_unproved`, and whatever `send` throws */
  async present<T extends object>(use: Presentation<T>): Promise<T> {
    const { service, safe, signal } = use
    const first = await this.#prepare(use, this.#options.times.wait(service))
    const refused = await use.send(first)
    if (!('error' in refused)) return refused
    const answer = answerTo(refused.error, { stamp: first.request.time, safe, resendable: true })
    await this.#learn(first, refused, answer, signal)
    if (answer.next === 'caller') throw this.#refusal(service, refused, answer.final)
    const { code } = refused.error
    this.#options.logger.debug(
      { service, code, as: answer.next, wait: answer.wait },
      'sending a request again',
    )
    if (answer.next === 'anew') return this.#presentAnew(use, answer)
    await sleep(this.#options.timers, answer.wait, signal)
    return this.#presentAgain(use, first)
  }

  /** What was refused before, other bytes, may have been handled all the same: then no later refusal is final. */
  async #presentAnew<T extends object>(use: Presentation<T>, { wait, final }: Answer): Promise<T> {
    try {
      return await this.#presentAgain(use, await this.#prepare(use, wait))
    } catch (cause) {
      if (final || !(cause instanceof OrthrusError) || !cause.final) throw cause
      throw new OrthrusError(cause.code, cause.reason, { ...cause.facts, final: false, cause })
    }
  }

  async #presentAgain<T extends object>(use: Presentation<T>, presented: Presented): Promise<T> {
    const { service, safe, signal } = use
    const refused = await use.send(presented)
    if (!('error' in refused)) return refused
    const answer = answerTo(refused.error, { stamp: presented.request.time, safe, resendable: false })
    await this.#learn(presented, refused, answer, signal)
    throw this.#refusal(service, refused, answer.final)
  }

  async #prepare(use: Presentation<object>, wait: number): Promise<Presented> {
    const { tickets, times, timers, random } = this.#options
    const { service, type, binding, signal } = use
    const ticket = await abortable(tickets.get(service, 0), signal)
    if (wait > 0) await sleep(timers, wait, signal)
    const { sealed, key } = secretsOf(ticket)
    const time = times.stamp(service)
    const nonce = random(SIZE.NONCE)
    const question = { ticket: sealed, caveats: [], time, nonce, binding, delegated: null }
    return { ticket, key, request: createApRequest(type, key, question) }
  }

  /** For this request and for those to come. */
  async #learn(
    { ticket }: Presented,
    { error, span }: ErrorAnswer,
    { keepTime, replace }: Answer,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { tickets, times } = this.#options
    if (keepTime && error.floor !== null) times.keep(ticket.service, error.time, error.floor, span)
    if (replace !== 'no') await abortable(tickets.replace(ticket, replace === 'proved'), signal)
  }

  #refusal(service: Principal, { error }: ErrorAnswer, final: boolean): OrthrusError {
    return serviceRefusal(error, { client: this.#options.client, service, final })
  }
}
