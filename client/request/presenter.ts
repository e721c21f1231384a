import { SIZE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { refusalId } from '../../shared/encoding/refusal-id.js'
import { OrthrusError } from '../../shared/errors.js'
import { createApRequest } from '../../shared/exchange/ap.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import { abortable, sleep, type Timers } from '../../shared/timers.js'
import type { TicketCache } from '../cache/ticket-cache.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import { secretsOf, type Ticket } from '../ticket/ticket.js'
import { chooseTickets, delegatedPart, endedAt, presentedKey, provedEnd } from './presented-tickets.js'
import type { ErrorAnswer, Presented, Presenting } from './presenting.js'
import { type Answer, answerTo, type Refused } from './recovery.js'
import { serviceRefusal } from './service-refusals.js'
import type { ServiceTimes } from './service-times.js'
import { callFields, sendTold } from './told-call.js'

export interface PresenterOptions {
  readonly client: Principal
  readonly tickets: TicketCache
  /** Creates an empty record of the clocks of services. */
  readonly newTimes: () => ServiceTimes
  /** To be awaited before a request is stamped; `ClockCheck.trueTime`. */
  readonly trueTime: () => Promise<void> | undefined
  readonly timers: Timers
  readonly random: RandomSource
  readonly clock: Clock
  readonly telemetry: ClientTelemetry
}

/** Presents tickets to services, and recovers from their errors as section 8 says, at most once per request. */
export class Presenter {
  readonly #options: PresenterOptions
  readonly #times: ServiceTimes
  /** The party that handed on a ticket can answer for the service, so a time learnt under it is used for it alone. */
  readonly #unprovedTimes = new WeakMap<Ticket, ServiceTimes>()

  constructor(options: PresenterOptions) {
    this.#options = options
    this.#times = options.newTimes()
  }

  /** @throws OrthrusError with the service's code or `refused_unproved`, and whatever `send` throws */
  async present<T extends object>(use: Presenting<T>): Promise<T> {
    const { tracing } = this.#options.telemetry
    if (tracing === undefined) return this.#present(use)
    const { presentTraced } = await import('./traced-call.js')
    return presentTraced(tracing, this.#options, use, within => this.#present(within))
  }

  async #present<T extends object>(use: Presenting<T>): Promise<T> {
    const { service, signal, resendable = true } = use
    const first = await this.#prepare(use, this.#timesFor(use).wait(service))
    if (!resendable) return this.#presentLast(use, first)
    const refused = await sendTold(this.#options, use, first)
    if (!('error' in refused)) return refused
    const answer = answerTo(refused.error, { ...factsOf(use, first), resendable: true })
    await this.#learn(use, first, refused, answer)
    // A ticket from the caller cannot be replaced, and would be refused again.
    const irreplaceable = answer.replace !== 'no' && first.own === undefined
    if (answer.next === 'caller' || irreplaceable)
      throw await this.#refusal(use, first, refused, answer.final)
    const { code } = refused.error
    const again = { code, as: answer.next, wait: answer.wait }
    const fields = callFields(this.#options, use, first)
    this.#options.telemetry.report({ kind: 'call_retried', ...fields, ...again })
    if (answer.next === 'renewed') return this.#presentRenewed(use, answer)
    await sleep(this.#options.timers, answer.wait, signal)
    return this.#presentLast(use, first)
  }

  /** If the first bytes may still be handled, a refusal of the new bytes is not final for the request. */
  async #presentRenewed<T extends object>(use: Presenting<T>, { wait, final }: Answer): Promise<T> {
    try {
      return await this.#presentLast(use, await this.#prepare(use, wait))
    } catch (cause) {
      if (final || !(cause instanceof OrthrusError) || !cause.final) throw cause
      throw new OrthrusError(cause.code, cause.reason, { ...cause.facts, final: false, cause })
    }
  }

  async #presentLast<T extends object>(use: Presenting<T>, presented: Presented): Promise<T> {
    const refused = await sendTold(this.#options, use, presented)
    if (!('error' in refused)) return refused
    const answer = answerTo(refused.error, { ...factsOf(use, presented), resendable: false })
    await this.#learn(use, presented, refused, answer)
    throw await this.#refusal(use, presented, refused, answer.final)
  }

  async #prepare(use: Presenting<object>, wait: number): Promise<Presented> {
    const { timers, random, trueTime } = this.#options
    const { service, type, signal } = use
    const checking = trueTime()
    if (checking !== undefined) await abortable(checking, signal)
    const { own, first, delegated } = await chooseTickets(use, this.#options)
    if (wait > 0) await sleep(timers, wait, signal)
    const { sealed, caveats } = secretsOf(first)
    const key = presentedKey(first, delegated)
    const nonce = random(SIZE.NONCE)
    const bound = use.bind({ key, nonce })
    const time = this.#timesFor(use).stamp(service)
    const { binding } = bound
    const question = { ticket: sealed, caveats, time, nonce, binding, delegated: delegatedPart(delegated) }
    return { ...bound, service, own, key, request: createApRequest(type, key, question) }
  }

  #timesFor({ ticket }: Presenting<object>): ServiceTimes {
    if (ticket === undefined || ticket.serviceProved) return this.#times
    const known = this.#unprovedTimes.get(ticket) ?? this.#options.newTimes()
    this.#unprovedTimes.set(ticket, known)
    return known
  }

  /** Uses what the error says for this request and for later ones. */
  async #learn(
    use: Presenting<object>,
    { own }: Presented,
    { error, span }: ErrorAnswer,
    { keepTime, replace }: Answer,
  ): Promise<void> {
    const { service, signal } = use
    if (keepTime && error.floor !== null) this.#timesFor(use).keep(service, error.time, error.floor, span)
    if (replace === 'no' || own === undefined) return
    await abortable(this.#options.tickets.replace(own, replace === 'proved'), signal)
  }

  #refusal(
    { service, target, ticket }: Presenting<object>,
    { own, request }: Presented,
    { error, kdc }: ErrorAnswer,
    final: boolean,
  ): Promise<OrthrusError> {
    const { client } = this.#options
    const ended = endedAt(ticket, error.time)
    const refusal = refusalId(request.mac)
    return serviceRefusal(error, { client, service, ticket, own, final, target, ended, refusal, kdc })
  }
}

function factsOf(
  { safe, ticket }: Presenting<object>,
  { own, request }: Presented,
): Omit<Refused, 'resendable'> {
  const ends = [own, ticket].map(one => (one === undefined ? Number.POSITIVE_INFINITY : provedEnd(one)))
  return { stamp: request.time, safe, endTime: Math.min(...ends) }
}
