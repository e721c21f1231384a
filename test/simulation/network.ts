import { HOUR, SECOND } from '../../shared/time.js'
import type { Random } from '../support/random.js'
import { ANSWER_FATES, type AnswerFate, REQUEST_FATES, type RequestFate } from './fates.js'
import type { Asked, Ledger } from './ledger.js'
import { Passage } from './passage.js'
import type { SimulatedService } from './simulated-service.js'
import type { Timeline } from './timeline.js'
import { encodeRequest } from './wire.js'

/** Everything between clients, services and the KDC, controlled by an attacker who wants none of it to work. */

const KDC_FATES = {
  pass: 0,
  lost: 3,
  broken: 3,
  late: 2,
  twice: 3,
  altered: 2,
  'answer altered': 2,
  forged: 3,
} as const
export type KdcFate = keyof typeof KDC_FATES

/** The share of all that passes unharmed. */
const MERCY = { calm: 1, rough: 0.6, storm: 0.2 } as const
export type Weather = keyof typeof MERCY

/** The share of what is said in a channel that nobody touches, whatever the weather. */
const CHANNEL_MERCY = 0.8

/** How many old requests and answers are kept to be sent again. */
const KEPT = 300

export interface Captured {
  readonly service: SimulatedService
  readonly bytes: Buffer
}

export class Network {
  readonly timeline: Timeline
  readonly random: Random
  readonly ledger: Ledger
  readonly services: readonly SimulatedService[]
  weather: Weather = 'calm'
  /** From now on nobody interferes, and nothing old is delivered. */
  honest = false
  readonly #requests: Captured[] = []
  readonly #answers: Buffer[] = []

  constructor(timeline: Timeline, random: Random, ledger: Ledger, services: readonly SimulatedService[]) {
    this.timeline = timeline
    this.random = random
    this.ledger = ledger
    this.services = services
  }

  /** What clients use in place of the platform's `fetch`. */
  readonly fetch: typeof globalThis.fetch = (input, init = {}) => {
    const url = new URL(String(input))
    const method = init.method ?? 'GET'
    const headers = init.headers as [string, string][]
    const authorization = headers.find(([name]) => name === 'authorization')?.[1] ?? ''
    const asked = this.ledger.sent(url, init, authorization)
    const service = this.services.find(({ origin }) => origin === url.origin) as SimulatedService
    const body = (init.body as Uint8Array | undefined) ?? new Uint8Array()
    const bytes = encodeRequest({ method, url, headers, body })
    keep(this.#requests, { service, bytes })
    return new Promise((resolve, reject) => {
      const passage = new Passage(this, { service, asked, bytes, method, resolve, reject })
      init.signal?.addEventListener('abort', () => passage.giveUp(init.signal?.reason), { once: true })
      this.#meet(passage, asked)
    })
  }

  /** For an answer that arrives in the end: it proves some request, if not this one. */
  keepAnswer(bytes: Buffer): void {
    keep(this.#answers, bytes)
  }

  get pastAnswer(): Buffer | undefined {
    return this.#answers.length === 0 ? undefined : this.random.pick(this.#answers)
  }

  /**
   * Sends old requests again.
   * @param last how many of the last are among them
   */
  replay(last: number, count: number): void {
    const among = this.#requests.slice(-last)
    for (let i = 0; i < count && among.length > 0; i++) {
      const { service, bytes } = this.random.pick(among)
      this.ledger.count('a request of the past once more')
      service.deliver(bytes, () => {})
    }
  }

  /** How many milliseconds something takes on its way if nobody delays it. */
  shortDelay(): number {
    return this.random.between(1, 30)
  }

  /** And if somebody does. */
  longDelay(): number {
    return this.random.magnitude(50, 3 * HOUR)
  }

  /** How long a silent connection is waited for. */
  silence(): number {
    return this.random.between(30 * SECOND, 300 * SECOND)
  }

  kdcFate(): KdcFate {
    const fate = this.#isSpared() ? 'pass' : this.random.weighted<KdcFate>(KDC_FATES)
    this.ledger.count(`a question to the KDC: ${fate}`)
    return fate
  }

  /** Of a message in a channel: one that is lost ends all of it. */
  channelFate(): KdcFate {
    return this.random.chance(CHANNEL_MERCY) ? 'pass' : this.kdcFate()
  }

  answerFate(): AnswerFate {
    const fate = this.#isSpared() ? 'pass' : this.random.weighted<AnswerFate>(ANSWER_FATES)
    this.ledger.count(`an answer: ${fate}`)
    return fate
  }

  /** The bytes with one bit flipped. */
  flip(bytes: Uint8Array): Buffer {
    const changed = Buffer.from(bytes)
    const at = this.random.between(0, changed.length - 1)
    changed[at] = (changed[at] ?? 0) ^ (1 << this.random.between(0, 7))
    return changed
  }

  #meet(passage: Passage, asked: Asked): void {
    const fate = this.#isSpared() ? 'pass' : this.random.weighted<RequestFate>(REQUEST_FATES)
    this.ledger.count(`a request: ${fate}`)
    if (fate !== 'pass') this.ledger.note(`#${asked.id} meets: ${fate}`)
    passage.meet(fate)
  }

  #isSpared(): boolean {
    return this.honest || this.random.chance(MERCY[this.weather])
  }
}

function keep<T>(kept: T[], one: T): void {
  kept.push(one)
  if (kept.length > KEPT) kept.shift()
}
