import { deriveAuthKey } from '../shared/crypto/derive.js'
import type { AuthKey, LongTermKey } from '../shared/crypto/keys.js'
import type { RandomSource } from '../shared/crypto/random.js'
import { OrthrusError } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import type { Principal } from '../shared/principal.js'
import { createAsRequest, openAsReply } from '../shared/protocol/as.js'
import { SIZE } from '../shared/protocol/constants.js'
import { isError, openError } from '../shared/protocol/error.js'
import { type Asked, type Grant, type Reply, requireAnswers } from '../shared/protocol/grant.js'
import { createTgsRequest, openTgsReply } from '../shared/protocol/tgs.js'
import { decodeInnerTicket, type SealedTicket } from '../shared/protocol/ticket.js'
import type { Identity } from './identity.js'
import type { Exchanged } from './kdc-connection.js'
import type { KdcTime } from './kdc-time.js'
import { judged, kdcRefusal } from './refusals.js'

/** Below this share of its life a TGT bounds the tickets under it so much that a new one is asked for. */
const TGT_SHARE_LEFT = 0.2

export interface ExchangesOptions {
  readonly identity: Identity
  readonly exchange: (message: Uint8Array) => Promise<Exchanged>
  readonly time: KdcTime
  readonly random: RandomSource
  readonly logger: Logger
}

interface Tgt {
  readonly sealed: SealedTicket
  readonly key: AuthKey
  readonly startTime: number
  readonly endTime: number
}

/** One question to the KDC: how it is written, and how its answer is opened. */
interface Question<R extends { readonly bytes: Uint8Array; readonly mac: Uint8Array }> {
  readonly key: LongTermKey | AuthKey
  readonly asked: Asked
  create(time: number, nonce: Uint8Array): R
  open(request: R, bytes: Uint8Array): Reply
}

/**
 * The AS and TGS exchanges (docs/protocol.md sections 6 and 7). The long-term key is at hand, so a TGT is never
 * renewed: a new one comes with the tickets that were wanted anyway.
 */
export class KdcExchanges {
  readonly #options: ExchangesOptions
  #tgt: Tgt | undefined
  #login: Promise<Tgt> | undefined

  constructor(options: ExchangesOptions) {
    this.#options = options
  }

  /**
   * Tickets for at most 32 services; grants and denials of these, in the order asked.
   * @param lifetime milliseconds; 0 asks for the most allowed.
   * @throws OrthrusError with the KDC's code, or `unavailable`
   */
  async request(services: readonly Principal[], lifetime: number): Promise<Reply> {
    const tgt = this.#currentTgt()
    if (tgt === undefined) return this.#requestAnew(services, lifetime)
    try {
      return await this.#tgs(tgt, services, lifetime)
    } catch (cause) {
      if (!endsTgt(cause)) throw cause
      this.#options.logger.debug({ code: cause.code }, 'the TGT is of no more use; logging in anew')
      return this.#requestAnew(services, lifetime)
    }
  }

  #currentTgt(): Tgt | undefined {
    const tgt = this.#tgt
    if (tgt === undefined) return undefined
    const left = tgt.endTime - this.#options.time.now()
    return left > TGT_SHARE_LEFT * (tgt.endTime - tgt.startTime) ? tgt : undefined
  }

  /** With a login that is under way already, or one of its own that brings the tickets along. */
  async #requestAnew(services: readonly Principal[], lifetime: number): Promise<Reply> {
    if (this.#login !== undefined) return this.#tgs(await this.#login, services, lifetime)
    // The lifetime of an AS-REQ bounds the TGT too, which is to live as long as it may.
    const flight = this.#as(lifetime === 0 ? services : []).finally(() => {
      this.#login = undefined
    })
    this.#login = flight.then(({ tgt }) => tgt)
    this.#login.catch(() => {})
    const { tgt, reply } = await flight
    return lifetime === 0 ? reply : this.#tgs(tgt, services, lifetime)
  }

  async #as(services: readonly Principal[]): Promise<{ readonly tgt: Tgt; readonly reply: Reply }> {
    const { identity, time, logger } = this.#options
    const { client } = identity
    const { key, kvno } = await identity.loginKey()
    const question: Question<ReturnType<typeof createAsRequest>> = {
      key,
      asked: { client, withTgt: true, services, lifetime: 0 },
      create: (time, nonce) =>
        createAsRequest(key, { client, kvno, time, nonce, services, lifetime: 0, renewable: false }),
      open: (request, bytes) => openAsReply(key, request, bytes),
    }
    let reply = await this.#ask(question)
    // Too slow to tell the time by: once more, and with what there is if that fails.
    if (!time.known) reply = await this.#ask(question).catch(() => reply)
    await identity.loggedIn()
    logger.debug({ client, services }, 'logged in')
    const [granted, ...grants] = reply.grants
    const tgt = tgtFrom(granted as Grant)
    // Before the login counts as over: whoever asks next finds it.
    this.#tgt = tgt
    return { tgt, reply: { ...reply, grants } }
  }

  #tgs(tgt: Tgt, services: readonly Principal[], lifetime: number): Promise<Reply> {
    const { client } = this.#options.identity
    const { key, sealed } = tgt
    return this.#ask({
      key,
      asked: { client, withTgt: false, services, lifetime },
      create: (time, nonce) =>
        createTgsRequest(key, sealed, { caveats: [], time, nonce, services, lifetime, renew: false }),
      open: (request, bytes) => openTgsReply(key, request, bytes),
    })
  }

  /** After a proved `clock_skew` once more, by the clock that it told, no oftener (section 6). */
  async #ask<R extends { readonly bytes: Uint8Array; readonly mac: Uint8Array }>(
    question: Question<R>,
  ): Promise<Reply> {
    try {
      return await this.#askOnce(question)
    } catch (cause) {
      if (!isProved(cause, 'clock_skew')) throw cause
      return this.#askOnce(question)
    }
  }

  async #askOnce<R extends { readonly bytes: Uint8Array; readonly mac: Uint8Array }>({
    key,
    asked,
    create,
    open,
  }: Question<R>): Promise<Reply> {
    const { exchange, identity, random, time } = this.#options
    const request = create(time.now(), random(SIZE.NONCE))
    const answer = await exchange(request.bytes)
    if (judged(() => isError(answer.bytes))) {
      const error = judged(() => openError(answer.bytes, key, request.mac))
      if (error.authenticated && error.code === 'clock_skew') time.correct(error.time, answer)
      // Only the AS exchange is about the password.
      const passwordBased = asked.withTgt && identity.passwordBased
      throw kdcRefusal(error, { client: identity.client, passwordBased })
    }
    const reply = judged(() => open(request, answer.bytes))
    judged(() => requireAnswers(reply, asked))
    time.learn(reply.time, answer)
    return reply
  }
}

function tgtFrom({ ticket, key, startTime, endTime }: Grant): Tgt {
  return { sealed: decodeInnerTicket(ticket.slice()), key: deriveAuthKey(key, []), startTime, endTime }
}

/** An ERROR of type 06 with the code: one of type 05 says what it claims. */
function isProved(cause: unknown, code: OrthrusError['code']): cause is OrthrusError {
  return cause instanceof OrthrusError && cause.code === code && cause.facts.claimed === undefined
}

/** Whether a new TGT may help. A type 05 is worth this much, and no more. */
function endsTgt(cause: unknown): cause is OrthrusError {
  if (!(cause instanceof OrthrusError)) return false
  const { claimed } = cause.facts
  if (claimed !== undefined) return claimed === 'ticket_invalid' || claimed === 'auth_failed'
  return isProved(cause, 'ticket_expired') || isProved(cause, 'revoked')
}
