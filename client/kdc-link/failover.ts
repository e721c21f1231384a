import { TYPE } from '../../shared/constants.js'
import type { Fraction } from '../../shared/crypto/fraction.js'
import { codeOfAnswer } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { OrthrusError, type WireCode, wireCodeOf } from '../../shared/errors.js'
import { type Clock, HOUR } from '../../shared/time.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import { Backoff } from './backoff.js'
import type { KdcConnection } from './connection.js'
import { said } from './link-failure.js'
import type { Answer, Exchanged } from './waiting.js'

/** An ERROR that has one of these codes is shorter, bytes. */
const ERROR_MAX = 512

export interface FailoverOptions {
  readonly connection: KdcConnection
  readonly clock: Clock
  readonly fraction: Fraction
  readonly telemetry: Pick<ClientTelemetry, 'report'>
}

/** What a KDC said that another one may not say. */
interface Setback {
  readonly code: WireCode
  readonly answer: Answer
}

/**
 * Asks another KDC where one says that it is `unavailable`, refuses without proof, or says what cannot be read: anybody may
 * say that, and so does a KDC of another realm or version, or one with other data. What AS, TGS and PARAMS ask does no harm if it is asked twice.
 */
export class KdcFailover {
  readonly #options: FailoverOptions
  /** While it lasts, the answers of one KDC are taken as they are, since all of them said the same a moment ago. */
  readonly #backoff: Backoff
  /** When a KDC was last told to differ, on the monotonic clock. */
  readonly #differedAt = new Map<string, number>()

  constructor(options: FailoverOptions) {
    this.#options = options
    this.#backoff = new Backoff({ ...options, kdcs: options.connection.kdcs })
  }

  /** Works like `KdcConnection.exchange`. */
  async exchange(message: Uint8Array): Promise<Exchanged> {
    const answer = await this.#options.connection.exchange(message)
    const setback = this.#setbackIn(answer)
    if (setback !== undefined) return this.#askOthers(message, setback)
    this.#backoff.end()
    return answer
  }

  /** @returns the first good answer, or what says the most of those that are none */
  async #askOthers(message: Uint8Array, first: Setback): Promise<Exchanged> {
    const { connection } = this.#options
    const setbacks = [first]
    while (setbacks.length < connection.kdcs && this.#backoff.left <= 0) {
      const { code, answer: before } = setbacks.at(-1) as Setback
      connection.leave(said(code), before.link)
      const answer = await connection.exchange(message).catch(unavailable)
      if (answer === undefined) break
      const setback = this.#setbackIn(answer)
      if (setback === undefined) {
        this.#backoff.end()
        this.#tellOf(setbacks, answer)
        return answer
      }
      setbacks.push(setback)
    }
    if (this.#backoff.left <= 0) this.#backoff.begin()
    return (setbacks.find(({ code }) => code !== 'unavailable') ?? first).answer
  }

  #setbackIn(answer: Answer): Setback | undefined {
    if (this.#options.connection.kdcs === 1) return undefined
    const code = setbackCode(answer.bytes)
    return code === undefined ? undefined : { code, answer }
  }

  #tellOf(setbacks: readonly Setback[], { link }: Answer): void {
    const { clock, telemetry } = this.#options
    const now = clock.monotonic()
    for (const { code, answer } of setbacks) {
      const kdc = answer.link.url
      const last = this.#differedAt.get(kdc) ?? Number.NEGATIVE_INFINITY
      if (code === 'unavailable' || now - last < HOUR) continue
      this.#differedAt.set(kdc, now)
      telemetry.report({ kind: 'kdc_differs', kdc, code, other: link.url })
    }
  }
}

/**
 * The code of an answer that another KDC may not give, or of what cannot be read. `rate_limited` is meant for the client,
 * wherever it asks.
 */
function setbackCode(bytes: Uint8Array): WireCode | undefined {
  if (bytes.length > ERROR_MAX) return undefined
  try {
    const code = codeOfAnswer(bytes)
    if (code === 'unavailable') return code
    return code === 'rate_limited' || messageType(bytes) !== TYPE.ERROR ? undefined : code
  } catch (cause) {
    if (cause instanceof OrthrusError) return wireCodeOf(cause)
    throw cause
  }
}

function unavailable(cause: unknown): undefined {
  if (!(cause instanceof OrthrusError) || cause.code !== 'unavailable') throw cause
  return undefined
}
