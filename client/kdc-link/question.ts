import { SIZE } from '../../shared/constants.js'
import type { AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { isError, openError } from '../../shared/encoding/error.js'
import { refusalId } from '../../shared/encoding/refusal-id.js'
import { OrthrusError } from '../../shared/errors.js'
import { type Asked, type Reply, requireAnswers } from '../../shared/exchange/reply.js'
import { createTgsRequest, openTgsReply } from '../../shared/exchange/tgs.js'
import type { Principal } from '../../shared/principal.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import { secretsOf, type Ticket } from '../ticket/ticket.js'
import { explainingKdcErrors } from './explained-answer.js'
import type { KdcClock } from './kdc-clock.js'
import { type Denied, kdcRefusal, type Login } from './refusals.js'
import { askTold } from './told-question.js'
import type { Exchanged } from './waiting.js'

interface Request {
  readonly bytes: Uint8Array
  readonly mac: Uint8Array
}

/** One question to the KDC: how it is written, and how its answer is opened. */
export interface Question<R extends Request> {
  readonly key: LongTermKey | AuthKey
  readonly asked: Asked
  create(time: number, nonce: Uint8Array): R
  open(request: R, bytes: Uint8Array): Reply
}

/** A reply, with what each denial is known by. */
export interface Answered extends Reply {
  readonly denials: readonly Denied[]
  /** Why nothing was asked of the services that it neither grants nor denies, where others were had without asking. */
  readonly failure?: unknown
}

export interface KdcQuestionsOptions {
  /** The principal that answers are for. Errors mention a password only if one was used. */
  readonly login: Login
  readonly exchange: (message: Uint8Array) => Promise<Exchanged>
  readonly time: KdcClock
  /** Whether an answer proves the KDC, so that its clock is believed (docs/protocol.md section 5). */
  readonly proved: boolean
  readonly random: RandomSource
  readonly telemetry: Pick<ClientTelemetry, 'report' | 'tracing'>
}

/** Sends requests to the KDC and checks the answers. */
export class KdcQuestions {
  readonly #options: KdcQuestionsOptions

  constructor(options: KdcQuestionsOptions) {
    this.#options = options
  }

  /**
   * Asks a question. After a proved `clock_skew` it asks once more, with the KDC's time (section 6).
   * @throws OrthrusError with the KDC's code, or `unavailable`
   */
  ask<R extends Request>(question: Question<R>): Promise<Answered> {
    return askTold(this.#options.telemetry, question.asked, () => this.#ask(question))
  }

  async #ask<R extends Request>(question: Question<R>): Promise<Answered> {
    try {
      return await this.#askOnce(question)
    } catch (cause) {
      if (!this.#options.proved || !isProved(cause, 'clock_skew')) throw cause
      return this.#askOnce(question)
    }
  }

  async #askOnce<R extends Request>({ key, asked, create, open }: Question<R>): Promise<Answered> {
    const { exchange, login, random, time, proved } = this.#options
    const request = create(time.now(), random(SIZE.NONCE))
    const answer = await exchange(request.bytes)
    const { bytes, kdc } = answer
    const answerer = { kdc, refusal: refusalId(request.mac) }
    if (explainingKdcErrors(kdc, () => isError(bytes))) {
      const error = explainingKdcErrors(kdc, () => openError(bytes, key, request.mac))
      if (proved && error.authenticated && error.code === 'clock_skew') time.correct(error.time, answer)
      // Only the AS exchange is about the password.
      const passwordBased = asked.withTgt && login.passwordBased
      throw await kdcRefusal(error, { ...login, passwordBased }, answerer, time.own)
    }
    const reply = explainingKdcErrors(kdc, () => open(request, bytes))
    explainingKdcErrors(kdc, () => requireAnswers(reply, asked))
    if (proved) time.learn(reply.time, answer)
    return { ...reply, denials: reply.denials.map(denial => ({ ...denial, ...answerer })) }
  }
}

/** Whether it is a proved ERROR (type 06) with this code. An unproved one (type 05) has `facts.claimed`. */
export function isProved(cause: unknown, code: OrthrusError['code']): cause is OrthrusError {
  return cause instanceof OrthrusError && cause.code === code && cause.facts.claimed === undefined
}

/** @param lifetime milliseconds; 0 asks for the longest allowed */
export function tgsQuestion(
  tgt: Ticket,
  services: readonly Principal[],
  lifetime: number,
): Question<ReturnType<typeof createTgsRequest>> {
  const { key, sealed, caveats } = secretsOf(tgt)
  return {
    key,
    asked: { client: tgt.client, withTgt: false, services, lifetime },
    create: (time, nonce) =>
      createTgsRequest(key, sealed, { caveats, time, nonce, services, lifetime, renew: false }),
    open: (request, bytes) => openTgsReply(key, request, bytes),
  }
}
