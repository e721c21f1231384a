import { OrthrusError } from '../../shared/errors.js'
import { createAsRequest, openAsReply } from '../../shared/exchange/as.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { ageAtRefresh } from '../../shared/ticket/refresh.js'
import {
  type Answered,
  isProved,
  KdcQuestions,
  type KdcQuestionsOptions,
  type Question,
  tgsQuestion,
} from '../kdc-link/question.js'
import type { RefusalMemory } from '../kdc-link/refusal-memory.js'
import { type Denied, denial } from '../kdc-link/refusals.js'
import { ServiceTicket } from '../ticket/service-ticket.js'
import type { Identity, LoginKey } from './identity.js'
import { tryKeys } from './try-keys.js'

/** The names under which refusals are remembered: of logins, and of all requests under one TGT together. */
const QUESTION = { LOGIN: 'login', TICKETS: 'tickets' } as const

export interface ExchangesOptions extends Omit<KdcQuestionsOptions, 'login' | 'proved'> {
  readonly identity: Identity
  readonly refusals: RefusalMemory
  readonly logger: Logger
}

interface LoggedIn {
  readonly tgt: ServiceTicket
  /** The TGT as the KDC granted it. */
  readonly granted: Grant
  readonly reply: Answered
}

/** What is asked for together with a login. */
interface LoginQuestion {
  readonly services: readonly Principal[]
  /** Of the TGT too, milliseconds; 0 asks for the longest allowed. */
  readonly lifetime: number
  readonly renewable: boolean
}

/**
 * Carries out the AS and TGS exchanges (docs/protocol.md sections 6 and 7). The TGT is never renewed here, because the
 * client has its long-term key: it gets a new TGT together with the next tickets.
 */
export class KdcExchanges {
  readonly #options: ExchangesOptions
  readonly #questions: KdcQuestions
  #tgt: ServiceTicket | undefined
  #loggingIn: Promise<ServiceTicket> | undefined

  constructor(options: ExchangesOptions) {
    this.#options = options
    this.#questions = new KdcQuestions({ ...options, login: options.identity, proved: true })
  }

  /**
   * Requests tickets for at most 32 services.
   * @param lifetime milliseconds; 0 asks for the longest allowed
   * @returns grants and denials, in the order of the services
   * @throws OrthrusError with the KDC's code, or `unavailable`
   */
  async request(services: readonly Principal[], lifetime: number): Promise<Answered> {
    const tgt = this.#currentTgt()
    if (tgt === undefined) return this.#requestByLogin(services, lifetime)
    try {
      return await this.#tgs(tgt, services, lifetime)
    } catch (cause) {
      if (!endsTgt(cause)) throw cause
      this.#options.logger.debug({ code: cause.code }, 'the TGT can no longer be used; logging in again')
      return this.#requestByLogin(services, lifetime)
    }
  }

  /**
   * Logs in now, whatever TGT there is, for what needs a session of the last minutes (section 12).
   * @throws OrthrusError with the KDC's code, or the denial's
   */
  async freshTicket(service: Principal): Promise<ServiceTicket> {
    const { reply } = await this.#login(plainly([service]))
    return await this.#ticketOf(reply)
  }

  /**
   * Logs in now, for a renewable TGT that outlives this process in a file.
   * @param lifetime milliseconds; 0 asks for the longest allowed
   * @throws OrthrusError with the KDC's code, or `unavailable`
   */
  async renewableTgt(lifetime: number): Promise<Grant> {
    const { granted } = await this.#login({ services: [], lifetime, renewable: true })
    return granted
  }

  /**
   * Logs in with this key, and so shows the KDC that its holder has it (section 12).
   * @throws OrthrusError with the KDC's code, or `unavailable`
   */
  async prove(login: LoginKey): Promise<void> {
    await this.#asWith(login, plainly([]))
  }

  /** The current TGT, or a new one. @throws OrthrusError with the KDC's code, or `unavailable` */
  async tgt(): Promise<ServiceTicket> {
    const current = this.#currentTgt()
    if (current !== undefined) return current
    if (this.#loggingIn === undefined) await this.#requestByLogin([], 0)
    return this.#loggingIn ?? (this.#tgt as ServiceTicket)
  }

  #currentTgt(): ServiceTicket | undefined {
    const tgt = this.#tgt
    if (tgt === undefined) return undefined
    // A later one would make its tickets too short, so a new one is requested.
    const age = this.#options.time.now() - tgt.startTime
    return age < ageAtRefresh(tgt.endTime - tgt.startTime) ? tgt : undefined
  }

  /** Waits for a login in progress, or starts one that requests the tickets too. */
  async #requestByLogin(services: readonly Principal[], lifetime: number): Promise<Answered> {
    if (this.#loggingIn !== undefined) return this.#tgs(await this.#loggingIn, services, lifetime)
    // The lifetime in an AS-REQ also limits the TGT, which should live as long as possible.
    const pending = this.#login(plainly(lifetime === 0 ? services : [])).finally(() => {
      this.#loggingIn = undefined
    })
    this.#loggingIn = pending.then(({ tgt }) => tgt)
    this.#loggingIn.catch(() => {})
    const { tgt, reply } = await pending
    return lifetime === 0 ? reply : this.#tgs(tgt, services, lifetime)
  }

  #login(asked: LoginQuestion): Promise<LoggedIn> {
    const { refusals, identity, logger } = this.#options
    return refusals.guard(
      QUESTION.LOGIN,
      () => tryKeys(identity, key => this.#asWith(key, asked)),
      (refusal, pause) =>
        logger.warn(
          { client: identity.client, code: refusal.code, pause: Math.round(pause), cause: refusal },
          'the login was refused; the KDC is asked again after a pause (milliseconds)',
        ),
    )
  }

  async #asWith(login: LoginKey, asked: LoginQuestion): Promise<LoggedIn> {
    const { identity, time } = this.#options
    const { client } = identity
    const { key, kvno } = login
    const question: Question<ReturnType<typeof createAsRequest>> = {
      key,
      asked: { client, withTgt: true, ...asked },
      create: (time, nonce) => createAsRequest(key, { client, kvno, time, nonce, ...asked }),
      open: (request, bytes) => openAsReply(key, request, bytes),
    }
    let reply = await this.#questions.ask(question)
    // The answer was too slow to learn the KDC's time from: ask once more, and keep the first answer if that fails.
    if (!time.known) reply = await this.#questions.ask(question).catch(() => reply)
    await identity.loggedIn(login)
    const [first, ...grants] = reply.grants
    const granted = first as Grant
    const tgt = this.#ticketFrom(granted)
    // Set before the login is over, so that the next caller finds it.
    this.#tgt = tgt
    this.#options.refusals.forget(QUESTION.TICKETS)
    return { tgt, granted, reply: { ...reply, grants } }
  }

  /** Of the reply about one service. */
  async #ticketOf({ grants, denials }: Answered): Promise<ServiceTicket> {
    const [grant] = grants
    if (grant !== undefined) return this.#ticketFrom(grant)
    const [denied] = denials as [Denied]
    throw await denial(this.#options.identity.client, denied)
  }

  #ticketFrom(grant: Grant): ServiceTicket {
    const { identity, time } = this.#options
    return new ServiceTicket(grant, {
      client: identity.client,
      lifetime: 0,
      imported: false,
      now: () => time.now(),
    })
  }

  #tgs(tgt: ServiceTicket, services: readonly Principal[], lifetime: number): Promise<Answered> {
    const question = tgsQuestion(tgt, services, lifetime)
    return this.#options.refusals.guard(QUESTION.TICKETS, () => this.#questions.ask(question))
  }
}

/** A login for a TGT of the longest life, which this process has alone. */
function plainly(services: readonly Principal[]): LoginQuestion {
  return { services, lifetime: 0, renewable: false }
}

const ENDING = ['ticket_expired', 'ticket_not_yet_valid', 'revoked'] as const

/** Whether a new TGT may help. An unproved error may cause a login but nothing else. */
export function endsTgt(cause: unknown): cause is OrthrusError {
  if (!(cause instanceof OrthrusError)) return false
  const { claimed } = cause.facts
  if (claimed !== undefined) return claimed === 'ticket_invalid' || claimed === 'auth_failed'
  // `ticket_not_yet_valid`: the KDC's clock was ahead when it granted the TGT, and has been corrected since.
  return ENDING.some(code => isProved(cause, code))
}
