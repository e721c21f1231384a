import type { HttpAnswer, Letter } from './service-host.js'

/** What went over the network: the attacker has seen all of it. */

export interface SeenLetter {
  readonly service: string
  readonly letter: Letter
  readonly answers: HttpAnswer[]
}

export interface SeenQuestion {
  readonly request: Uint8Array
  readonly replies: Uint8Array[]
}

export class SeenMessages {
  readonly letters: SeenLetter[] = []
  readonly questions: SeenQuestion[] = []

  /** The KDC's reply to a question, whether or not that was seen before. */
  replied(request: Uint8Array, reply: Uint8Array): void {
    const seen = this.questions.find(one => Buffer.compare(one.request, request) === 0)
    if (seen === undefined) this.questions.push({ request, replies: [reply] })
    else seen.replies.push(reply)
  }

  /** A service's answer to a letter, whether or not that was seen before. */
  answered(service: string, letter: Letter, answer: HttpAnswer): void {
    const seen = this.letters.find(one => one.letter === letter && one.service === service)
    if (seen === undefined) this.letters.push({ service, letter, answers: [answer] })
    else seen.answers.push(answer)
  }
}
