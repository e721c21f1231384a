import { OrthrusError } from '../../shared/errors.js'
import { createTgsRequest, openTgsReply } from '../../shared/exchange/tgs.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { ageAtRefresh } from '../../shared/ticket/refresh.js'
import { formatTime, MINUTE } from '../../shared/time.js'
import type { SourceOptions, TicketSource } from '../cache/ticket-source.js'
import { type Answered, isProved, KdcQuestions, tgsQuestion } from '../kdc-link/question.js'
import { endsTgt } from '../login/session.js'
import { ServiceTicket } from '../ticket/service-ticket.js'
import { secretsOf } from '../ticket/ticket.js'
import { type KeptLogin, loginAgain, noLogin, withGranted } from './kept-login.js'

/** Where the login is kept; `LoginFolder`. */
export interface LoginFiles {
  read(client: Principal): Promise<KeptLogin>
  amend(client: Principal, change: (login: KeptLogin) => KeptLogin | undefined): Promise<void>
  /** Missing where nothing is kept but in memory. */
  erase?(client: Principal): Promise<unknown>
  /** What the person does for a new login, if it is not the command. */
  again?(): string
}

/** How long after a failed renewal of a TGT the next one is tried, milliseconds. */
const RENEWAL_PAUSE = MINUTE

/**
 * Gets tickets with the TGT of a login that a person made before, and with the tickets that were had with it. The client
 * has no key of its own here: the TGT is renewed as long as it can be, and then the person has to log in again, which is
 * noticed while this goes on.
 */
export class KeptSource implements TicketSource {
  readonly client: Principal
  readonly held = undefined
  /** The KDC gave the keys to this client alone. */
  readonly imported = false
  readonly login = undefined
  readonly #files: LoginFiles
  readonly #options: SourceOptions
  readonly #questions: KdcQuestions
  #login: KeptLogin
  #tgt: ServiceTicket
  /** What was answered from the file: who asks again wants another one. */
  readonly #given = new Set<Grant>()
  #renewing: Promise<void> | undefined
  #renewAfter = 0
  #saving: Promise<void> = Promise.resolve()

  constructor(login: KeptLogin, files: LoginFiles, options: SourceOptions) {
    this.client = login.client
    this.#files = files
    this.#options = options
    this.#questions = new KdcQuestions({
      ...options,
      login: { client: login.client, passwordBased: false },
      proved: true,
    })
    this.#login = login
    this.#tgt = this.#ticketFrom(login.tgt)
  }

  /** @throws OrthrusError with the KDC's code; `login_invalid`; `unavailable` */
  readonly request = async (services: readonly Principal[], lifetime: number): Promise<Answered> => {
    const kept = new Map(services.flatMap(service => this.#keptFor(service, lifetime)))
    const missing = services.filter(service => !kept.has(service))
    const asked = services.length === 0 || missing.length > 0
    const nothing = { time: this.#options.time.now(), grants: [], denials: [] }
    const answered = asked
      ? await this.#ask(missing, lifetime).catch((failure: unknown) => {
          // What is kept is as good as it was: only those who want something else hear of it.
          if (kept.size === 0) throw failure
          return { ...nothing, failure }
        })
      : nothing
    for (const grant of kept.values()) this.#given.add(grant)
    const granted = new Map(answered.grants.map(grant => [grant.service, grant]))
    const grants = services.flatMap(service => kept.get(service) ?? granted.get(service) ?? [])
    return { ...answered, grants }
  }

  readonly tgt = async (): Promise<ServiceTicket> => {
    await this.#current()
    return this.#tgt
  }

  readonly saved = (): Promise<void> => this.#saving

  readonly logout = async (): Promise<void> => {
    await this.#saving
    await this.#files.erase?.(this.client)
  }

  #again(): string {
    return this.#files.again?.() ?? `run: ${loginAgain(this.client)}`
  }

  /** A kept ticket, unless it was given already or is old enough to be refreshed. */
  #keptFor(service: Principal, lifetime: number): [Principal, Grant][] {
    const now = this.#options.time.now()
    const found = this.#login.tickets.find(
      ({ grant, lifetime: asked }) => grant.service === service && asked === lifetime,
    )
    if (found === undefined || this.#given.has(found.grant)) return []
    const { startTime, endTime } = found.grant
    return now - startTime < ageAtRefresh(endTime - startTime) ? [[service, found.grant]] : []
  }

  async #ask(services: readonly Principal[], lifetime: number): Promise<Answered> {
    try {
      await this.#current()
      return await this.#tgs(services, lifetime)
    } catch (cause) {
      if (!endsTgt(cause)) throw cause
      if (!(await this.#takeNewer())) throw this.#ended(cause)
      return await this.#tgs(services, lifetime).catch((again: unknown) => {
        throw endsTgt(again) ? this.#ended(again) : again
      })
    }
  }

  async #tgs(services: readonly Principal[], lifetime: number): Promise<Answered> {
    const question = tgsQuestion(this.#tgt, services, lifetime)
    const answered = await this.#options.refusals.guard('tickets', () => this.#questions.ask(question))
    const tickets = answered.grants.map(grant => ({ lifetime, grant }))
    if (tickets.length > 0) this.#save(login => withGranted(login, tickets, this.#options.time.now()))
    return answered
  }

  /** Makes sure that the TGT has not ended, as far as it can. @throws OrthrusError `login_invalid` */
  async #current(): Promise<void> {
    const now = this.#options.time.now()
    if (now >= this.#tgt.endTime && !(await this.#takeNewer()))
      throw noLogin(this.client, `ended at ${formatTime(this.#tgt.endTime)}`, undefined, this.#again())
    if (this.#isRenewalDue(now)) {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined
      })
    }
    await this.#renewing
  }

  #isRenewalDue(now: number): boolean {
    const { startTime, endTime, renewTill } = this.#login.tgt
    if (renewTill === null || renewTill <= endTime || now >= renewTill || now < this.#renewAfter) return false
    return now - startTime >= ageAtRefresh(endTime - startTime)
  }

  /** The old TGT is good for the rest of its life, so nothing is lost if the KDC gives no new one. */
  async #renew(): Promise<void> {
    const { key, sealed } = secretsOf(this.#tgt)
    const asked = { client: this.client, withTgt: true, services: [], lifetime: 0 }
    try {
      const { grants } = await this.#questions.ask({
        key,
        asked,
        create: (time, nonce) =>
          createTgsRequest(key, sealed, { ...asked, caveats: [], time, nonce, renew: true }),
        open: (request, bytes) => openTgsReply(key, request, bytes),
      })
      const [tgt] = grants as [Grant]
      this.#take({ ...this.#login, tgt })
      this.#save(login => (login.tgt.endTime < tgt.endTime ? { ...login, tgt } : undefined))
    } catch (cause) {
      this.#renewAfter = this.#options.time.now() + RENEWAL_PAUSE
      this.#options.logger.debug({ client: this.client, cause }, 'the TGT could not be renewed')
    }
  }

  /** Reads the file again. @returns whether the person has logged in, or another process renewed the TGT */
  async #takeNewer(): Promise<boolean> {
    const login = await this.#files.read(this.client).catch(() => undefined)
    if (login === undefined || login.tgt.endTime <= this.#options.time.now()) return false
    if (login.id === this.#login.id && login.tgt.endTime <= this.#tgt.endTime) return false
    this.#take(login)
    this.#options.refusals.forget('tickets')
    return true
  }

  #take(login: KeptLogin): void {
    this.#login = login
    this.#tgt = this.#ticketFrom(login.tgt)
  }

  #ended(cause: OrthrusError): OrthrusError {
    // Anybody can write a refusal that proves nothing, and it may cost no ticket.
    if (isProved(cause, 'revoked')) this.#save(login => ({ ...login, tickets: [] }))
    const { code, reason, final, facts } = cause
    return new OrthrusError(code, reason, {
      ...facts,
      final,
      hint: `the login has ended, or was revoked; ${this.#again()}`,
      cause,
    })
  }

  /** Once for all that wait. Without the file the tickets are as good, for this process. */
  #save(change: (login: KeptLogin) => KeptLogin | undefined): void {
    const { id } = this.#login
    this.#saving = this.#saving
      .then(() => this.#files.amend(this.client, login => (login.id === id ? change(login) : undefined)))
      .catch((cause: unknown) =>
        // It is gone after a logout, which is no fault.
        this.#options.logger.debug({ client: this.client, cause }, 'the login could not be kept up to date'),
      )
  }

  #ticketFrom(grant: Grant): ServiceTicket {
    const { time } = this.#options
    return new ServiceTicket(grant, {
      client: this.client,
      lifetime: 0,
      imported: false,
      now: () => time.now(),
    })
  }
}
