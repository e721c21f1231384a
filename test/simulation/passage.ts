import { ANSWERS, type AnswerFate, REQUESTS, type RequestFate } from './fates.js'
import type { Asked } from './ledger.js'
import type { Network } from './network.js'
import type { SimulatedService } from './simulated-service.js'
import { decodeResponse, lost } from './wire.js'

/** What is known of one request on its way. */
export interface Letter {
  readonly service: SimulatedService
  readonly asked: Asked
  readonly bytes: Buffer
  readonly method: string
  readonly resolve: (response: Response) => void
  readonly reject: (reason: unknown) => void
}

/** One request on its way to a service, and its answer on the way back; a fate decides what happens to them. */
export class Passage {
  readonly network: Network
  readonly letter: Letter
  #over = false

  constructor(network: Network, letter: Letter) {
    this.network = network
    this.letter = letter
  }

  meet(fate: RequestFate): void {
    REQUESTS[fate](this)
  }

  /** Delivers it to the service; the answer has a fate of its own. */
  send(delay: number, bytes = this.letter.bytes): void {
    this.#deliver(delay, bytes, answer => this.answer(answer))
  }

  /** Delivers it to the service, and loses the answer. */
  sendInVain(delay: number, bytes = this.letter.bytes): void {
    this.#deliver(delay, bytes, () => {})
  }

  /** Delivers a first part, and then nothing or, after a pause, the rest of it. */
  sendInParts(at: number, pause: number | undefined): void {
    const { service, bytes } = this.letter
    this.#later(this.network.shortDelay(), () => {
      service.deliver(bytes, answer => this.answer(answer), { at, pause })
    })
  }

  /** What the service answered, on its way to the client. */
  answer(bytes: Buffer | undefined): void {
    if (this.#over || bytes === undefined) {
      this.reset(this.network.shortDelay())
      return
    }
    this.network.keepAnswer(bytes)
    const fate: AnswerFate = this.network.answerFate()
    if (fate !== 'pass') this.network.ledger.note(`the answer to #${this.letter.asked.id} meets: ${fate}`)
    ANSWERS[fate](this, bytes)
  }

  /** Delivers it to the client. */
  arrive(delay: number, bytes: Buffer): void {
    this.#later(delay, () => {
      if (this.#over) return
      this.#over = true
      const { resolve, reject, method, asked } = this.letter
      const response = whole(bytes, method)
      this.network.ledger.received(asked, response?.headers)
      if (response === undefined) reject(lost('no whole answer'))
      else resolve(response)
    })
  }

  /** The client's connection breaks. */
  reset(delay: number): void {
    this.#later(delay, () => {
      if (this.#over) return
      this.#over = true
      this.letter.reject(lost('reset by the network'))
    })
  }

  /** The caller gave up. */
  giveUp(reason: unknown): void {
    if (this.#over) return
    this.#over = true
    this.letter.reject(reason)
  }

  #deliver(delay: number, bytes: Buffer, answered: (bytes: Buffer | undefined) => void): void {
    this.#later(delay, () => this.letter.service.deliver(bytes, answered))
  }

  #later(delay: number, run: () => void): void {
    this.network.timeline.in(delay, run)
  }
}

/** `undefined` if the client's connection broke. */
function whole(bytes: Buffer, method: string): Response | undefined {
  try {
    return decodeResponse(bytes, method)
  } catch {
    return undefined
  }
}
