import { OrthrusError } from '../../shared/errors.js'
import type { Exchange, Op } from './client-beliefs.js'
import type { HttpAnswer, Letter } from './service-host.js'

/** What honest clients sent and nobody has carried yet. */

/** A client's question that waits until it is carried to the KDC. */
export interface WaitingQuestion {
  readonly kind: 'kdc'
  readonly exchange: Exchange
  /** Gives the client an answer, whoever made it. */
  readonly answer: (bytes: Uint8Array) => void
  readonly drop: () => void
}

/** A request that waits until it is carried to a service. */
export interface WaitingRequest {
  readonly kind: 'http'
  readonly op: Op
  readonly letter: Letter
  readonly answer: (answer: HttpAnswer) => void
  readonly drop: () => void
}

export type Waiting = WaitingQuestion | WaitingRequest

/** The network keeps no more than this: the oldest is lost. */
const WAITING_MAX = 12

export class WaitingMessages {
  #all: Waiting[] = []

  get all(): readonly Waiting[] {
    return this.#all
  }

  /** A question of a client to the KDC; it settles when somebody answers it. */
  question(exchange: Exchange): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const answer = (bytes: Uint8Array): void => {
        exchange.delivered = bytes
        this.#forget(waiting)
        resolve(bytes)
      }
      const waiting: WaitingQuestion = {
        kind: 'kdc',
        exchange,
        answer,
        drop: () => this.#lose(waiting, reject),
      }
      this.#keep(waiting)
    })
  }

  /** A request of a client to a service. */
  request(op: Op, letter: Letter): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const answer = (given: HttpAnswer): void => {
        this.#forget(waiting)
        resolve(given)
      }
      const waiting: WaitingRequest = {
        kind: 'http',
        op,
        letter,
        answer,
        drop: () => this.#lose(waiting, reject),
      }
      this.#keep(waiting)
    })
  }

  /** The oldest message of a request, its client's questions included. */
  of(op: Op): Waiting | undefined {
    return this.#all.find(one => (one.kind === 'kdc' ? one.exchange.client === op.client : one.op === op))
  }

  /** The oldest question of a client. */
  questionOf(client: string): Waiting | undefined {
    return this.#all.find(one => one.kind === 'kdc' && one.exchange.client === client)
  }

  dropAll(): void {
    for (const waiting of this.all) waiting.drop()
  }

  #keep(waiting: Waiting): void {
    this.#all.push(waiting)
    if (this.#all.length > WAITING_MAX) this.#all[0]?.drop()
  }

  #lose(waiting: Waiting, reject: (cause: Error) => void): void {
    this.#forget(waiting)
    reject(new OrthrusError('unavailable', 'the network lost it'))
  }

  #forget(waiting: Waiting): void {
    this.#all = this.#all.filter(one => one !== waiting)
  }
}
