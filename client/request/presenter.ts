import { SIZE } from '../../shared/constants.js'
import { combineAuthKeys } from '../../shared/crypto/derive.js'
import { keepCombination } from '../../shared/crypto/derived-keys.js'
import type { AuthKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { WireError } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import { type ApRequest, type ApType, createApRequest } from '../../shared/exchange/ap.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { abortable, sleep, type Timers } from '../../shared/timers.js'
import type { TicketCache } from '../cache/ticket-cache.js'
import type { Span } from '../kdc-link/kdc-clock.js'
import { madeFor } from '../ticket/imported-ticket.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'
import { isImported, secretsOf, type Ticket } from '../ticket/ticket.js'
import { type Answer, answerTo, type Refused } from './recovery.js'
import { serviceRefusal } from './service-refusals.js'
import type { ServiceTimes } from './service-times.js'

/** The key under which a request will be MAC'd, and its nonce, before it is bound. */
export interface RequestSecrets {
  readonly key: AuthKey
  readonly nonce: Uint8Array
}

/** What the AP-REQ covers, and the headers that came to the request with it. */
export interface Bound {
  readonly binding: Uint8Array
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** An AP-REQ or AP-OPEN as it goes out, with what its answer is checked against. */
export interface Presented extends Bound {
  readonly service: Principal
  /** This client's own ticket, from the cache; none where another party's is presented alone. */
  readonly own: ServiceTicket | undefined
  readonly key: AuthKey
  readonly request: ApRequest
}

/** The service's ERROR, or one in its name, and when it came. */
export interface ErrorAnswer {
  readonly error: WireError
  readonly span: Span
}

export interface Presenting<T extends object> {
  readonly service: Principal
  /** In place of the one from the cache. */
  readonly ticket: Ticket | undefined
  readonly type: ApType
  /** As on the request line, for what is said of a refusal. */
  readonly target?: string
  bind(head: RequestSecrets): Bound
  /** Whether it does no harm twice (docs/protocol.md section 8). */
  readonly safe: boolean
  readonly signal?: AbortSignal
  /** Sends the bytes and gives what came, proved. */
  send(presented: Presented): Promise<T | ErrorAnswer>
}

export interface PresenterOptions {
  readonly client: Principal
  readonly tickets: TicketCache
  /** Makes what is known of services' clocks, at first nothing. */
  readonly newTimes: () => ServiceTimes
  /** To be awaited before a request is stamped; `ClockCheck.trueTime`. */
  readonly trueTime: () => Promise<void> | undefined
  readonly timers: Timers
  readonly random: RandomSource
  readonly logger: Logger
}

/** The tickets of one presentation. */
interface PresentedTickets {
  readonly own: ServiceTicket | undefined
  /** The ticket that stands first in the AP-REQ. */
  readonly first: Ticket
  /** Presented beside one's own (section 8). */
  readonly delegated: Ticket | undefined
}

/** Presents tickets to services, and does with their errors what section 8 says: once for each request. */
export class Presenter {
  readonly #options: PresenterOptions
  readonly #times: ServiceTimes
  /** Whoever handed on a ticket can answer for the service: what it tells of the time is believed for it alone. */
  readonly #unprovedTimes = new WeakMap<Ticket, ServiceTimes>()

  constructor(options: PresenterOptions) {
    this.#options = options
    this.#times = options.newTimes()
  }

  /** @throws OrthrusError with the service's code, `refused_unproved`, and whatever `send` throws */
  async present<T extends object>(use: Presenting<T>): Promise<T> {
    const { service, signal } = use
    const first = await this.#prepare(use, this.#timesFor(use).wait(service))
    const refused = await use.send(first)
    if (!('error' in refused)) return refused
    const answer = answerTo(refused.error, { ...factsOf(use, first), resendable: true })
    await this.#learn(use, first, refused, answer)
    // A ticket that was handed in is not replaced, and would be refused again.
    const spent = answer.replace !== 'no' && first.own === undefined
    if (answer.next === 'caller' || spent) throw this.#refusal(use, refused, answer.final)
    const { code } = refused.error
    this.#options.logger.debug(
      { service, code, as: answer.next, wait: answer.wait },
      'sending a request again',
    )
    if (answer.next === 'renewed') return this.#presentRenewed(use, answer)
    await sleep(this.#options.timers, answer.wait, signal)
    return this.#presentAgain(use, first)
  }

  /** The bytes that were refused before may still have been handled. Then no later refusal of others is final. */
  async #presentRenewed<T extends object>(use: Presenting<T>, { wait, final }: Answer): Promise<T> {
    try {
      return await this.#presentAgain(use, await this.#prepare(use, wait))
    } catch (cause) {
      if (final || !(cause instanceof OrthrusError) || !cause.final) throw cause
      throw new OrthrusError(cause.code, cause.reason, { ...cause.facts, final: false, cause })
    }
  }

  async #presentAgain<T extends object>(use: Presenting<T>, presented: Presented): Promise<T> {
    const refused = await use.send(presented)
    if (!('error' in refused)) return refused
    const answer = answerTo(refused.error, { ...factsOf(use, presented), resendable: false })
    await this.#learn(use, presented, refused, answer)
    throw this.#refusal(use, refused, answer.final)
  }

  async #prepare(use: Presenting<object>, wait: number): Promise<Presented> {
    const { timers, random, trueTime } = this.#options
    const { service, type, signal } = use
    const checking = trueTime()
    if (checking !== undefined) await abortable(checking, signal)
    const { own, first, delegated } = await this.#tickets(use)
    if (wait > 0) await sleep(timers, wait, signal)
    const { sealed, caveats, key: ownKey } = secretsOf(first)
    const key = delegated === undefined ? ownKey : combinedKey(ownKey, secretsOf(delegated).key)
    const nonce = random(SIZE.NONCE)
    const bound = use.bind({ key, nonce })
    const time = this.#timesFor(use).stamp(service)
    const { binding } = bound
    const question = { ticket: sealed, caveats, time, nonce, binding, delegated: delegatedPart(delegated) }
    return { ...bound, service, own, key, request: createApRequest(type, key, question) }
  }

  /** @throws OrthrusError `credential_invalid` for a ticket that another principal must present */
  async #tickets({ service, ticket, signal }: Presenting<object>): Promise<PresentedTickets> {
    const { tickets, client } = this.#options
    const holder = ticket && secretsOf(ticket).holder
    if (ticket !== undefined && holder === undefined)
      return { own: undefined, first: ticket, delegated: undefined }
    if (holder !== undefined && holder !== client) throw madeFor(holder, client)
    const own = await abortable(tickets.get(service, 0), signal)
    return { own, first: own, delegated: ticket }
  }

  #timesFor({ ticket }: Presenting<object>): ServiceTimes {
    if (ticket === undefined || ticket.serviceProved) return this.#times
    const known = this.#unprovedTimes.get(ticket) ?? this.#options.newTimes()
    this.#unprovedTimes.set(ticket, known)
    return known
  }

  /** For this request and for those to come. */
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
    { error }: ErrorAnswer,
    final: boolean,
  ): OrthrusError {
    const { client } = this.#options
    return serviceRefusal(error, { client, service, final, target, ended: endedAt(ticket, error.time) })
  }
}

/** The last instant that a `Date` can say, milliseconds. */
const DATE_MAX = 8.64e15

/** When a ticket that was handed in ended, where it has; by the clock of whoever refused it. */
function endedAt(ticket: Ticket | undefined, now: number): number | undefined {
  return ticket !== undefined && ticket.endTime <= Math.min(now, DATE_MAX) ? ticket.endTime : undefined
}

/** The end that the KDC told. What is said of an imported ticket its sender may have made up: it may have ended long ago. */
function provedEnd(ticket: Ticket): number {
  return isImported(ticket) ? Number.NEGATIVE_INFINITY : ticket.endTime
}

function factsOf(
  { safe, ticket }: Presenting<object>,
  { own, request }: Presented,
): Omit<Refused, 'resendable'> {
  const ends = [own, ticket].map(one => (one === undefined ? Number.POSITIVE_INFINITY : provedEnd(one)))
  return { stamp: request.time, safe, endTime: Math.min(...ends) }
}

function combinedKey(own: AuthKey, delegated: AuthKey): AuthKey {
  const key = combineAuthKeys(own, delegated)
  keepCombination(own, delegated, key)
  return key
}

function delegatedPart(ticket: Ticket | undefined): ApRequest['delegated'] {
  if (ticket === undefined) return null
  const { sealed, caveats } = secretsOf(ticket)
  return { ticket: sealed, caveats, client: ticket.client }
}
