import { toHex } from '../../shared/bytes.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Reply } from '../../shared/exchange/reply.js'
import { KRBTGT } from './cast.js'
import type { Identify } from './invariants.js'
import type { KdcAnswer } from './kdc.js'
import { type Reference, require } from './reference.js'
import type { HttpAnswer } from './service-host.js'
import { nameOf, readAp, readQuestion } from './view.js'

/** What must hold of every answer that a client accepts. */

/** One question of a client to the KDC. */
export interface Exchange {
  readonly client: string
  readonly request: Uint8Array
  /** What came back, whoever sent it. */
  delivered: Uint8Array | undefined
  /** It has been taken for an answer. */
  believed: boolean
}

/** One request of a client to a service, which may have gone out as several AP-REQs. */
export interface Op {
  readonly client: string
  readonly service: string
  /** GET: it may be sent again as a new request. */
  readonly safe: boolean
  /** The AP-REQs. */
  readonly sent: Uint8Array[]
  state: 'pending' | 'answered' | 'failed'
  /** A code, if it failed. */
  code: string | undefined
}

/** What a service answered to what it let through. */
type Answered = Pick<HttpAnswer, 'status' | 'body'>

/** Only a proved answer says when it was made, or to whom it gave no ticket; anything else proves nothing. */
function isProved({ facts: { claimed, time, principal, service } }: OrthrusError): boolean {
  if (claimed !== undefined) return false
  return time !== undefined || (principal !== undefined && service !== undefined)
}

export class ClientBeliefs {
  readonly #reference: Reference
  readonly #identify: Identify
  readonly #exchanges: Exchange[] = []
  /** By request and reply. */
  readonly #kdcAnswers = new Map<string, KdcAnswer>()
  /** Codes that the KDC has ever sent to this client. */
  readonly #kdcCodes = new Set<string>()
  /** By AP-REQ: what the service answered, and what it refused. */
  readonly #answers = new Map<string, Set<string>>()
  readonly #ops: Op[] = []
  /** AP-REQs that some service let through. */
  readonly #handled = new Set<string>()
  /** AP-REQs of which a client was told that they can never be handled. */
  readonly #givenUp = new Set<string>()

  constructor(reference: Reference, identify: Identify) {
    this.#reference = reference
    this.#identify = identify
  }

  asks(client: string, request: Uint8Array): Exchange {
    const exchange = { client, request, delivered: undefined, believed: false }
    this.#exchanges.push(exchange)
    return exchange
  }

  kdcAnswered(request: Uint8Array, answer: KdcAnswer, code: string | undefined): void {
    this.#kdcAnswers.set(`${nameOf(request)} ${nameOf(answer.reply)}`, answer)
    const name = this.#askerOf(request)
    for (const told of [code, ...answer.denied.map(denied => denied.code)])
      this.#kdcCodes.add(`${name} ${told}`)
  }

  #askerOf(request: Uint8Array): string | undefined {
    const question = readQuestion(request)
    if (question === undefined) return undefined
    return question.kind === 'login' ? question.client : this.#identify(question.tgt)?.client
  }

  /** A client accepted a reply as the KDC's answer to a question that it has just asked. */
  believesReply(client: string, reply: Reply): void {
    const waiting = this.#exchanges.filter(
      exchange => exchange.client === client && exchange.delivered !== undefined && !exchange.believed,
    )
    const exchange =
      waiting.find(one => this.#isTrue(one, reply)) ?? waiting.find(one => this.#isForgeable(one))
    require(exchange !== undefined, `${client} believes a reply that the KDC did not give to what it asked`)
    exchange.believed = true
  }

  #isTrue({ request, delivered }: Exchange, reply: Reply): boolean {
    const answer = this.#kdcAnswers.get(`${nameOf(request)} ${nameOf(delivered as Uint8Array)}`)
    if (answer === undefined) return false
    const given = answer.issued.filter(({ service }) => service !== KRBTGT)
    return (
      same(
        given.map(line => [line.service, line.ticketId, line.endTime]),
        reply.grants
          .filter(({ service }) => service !== KRBTGT)
          .map(grant => [grant.service, toHex(grant.ticketId), grant.endTime]),
      ) && reply.grants.every(grant => this.#isAsIssued(grant))
    )
  }

  #isAsIssued(grant: Reply['grants'][number]): boolean {
    const issued = this.#reference.tickets.get(toHex(grant.ticketId))
    return (
      issued !== undefined &&
      same(issued.claims, grant.claims) &&
      issued.delegable === ((grant.flags & 1) !== 0)
    )
  }

  /** Whether the attacker has the keys to answer in the KDC's place. */
  #isForgeable({ request }: Exchange): boolean {
    const question = readQuestion(request)
    if (question === undefined) return false
    if (question.kind === 'login') return this.#reference.mayLogIn(question.client)
    const ticket = this.#identify(question.tgt)
    return ticket !== undefined && this.#reference.mayUse({ ticket, caveats: question.caveats })
  }

  starts(op: Op): void {
    this.#ops.push(op)
  }

  serviceAnswered(id: string, answer: Answered): void {
    this.#handled.add(id)
    const op = this.#ops.find(({ sent }) => sent.some(bytes => nameOf(bytes) === id))
    const once = op === undefined || op.safe || this.#handledOf(op) <= 1
    require(once, `a POST of ${op?.client} to ${op?.service} was handled twice`)
    require(!this.#givenUp.has(
      id,
    ), 'a request was handled of which its client had been told that it never will be')
    this.#told(id, textOf(answer))
  }

  serviceRefused(id: string, code: string): void {
    this.#told(id, code)
  }

  #told(id: string, what: string): void {
    const told = this.#answers.get(id) ?? new Set()
    this.#answers.set(id, told.add(what))
  }

  /** A client accepted this as the service's answer. */
  believesAnswer(op: Op, answer: Answered): void {
    if (op.sent.some(bytes => this.#mayAnswer(bytes))) return
    const given = op.sent.some(bytes => this.#answers.get(nameOf(bytes))?.has(textOf(answer)))
    require(given, `${op.client} believes an answer that ${op.service} did not give to what it asked`)
  }

  /** A client accepted this as the service's or the KDC's refusal. */
  believesRefusal(op: Op, cause: OrthrusError): void {
    const { code, final } = cause
    require(!final || isProved(cause), `${op.client} is told for good what nobody proved: ${code}`)
    if (!isProved(cause) || op.sent.some(bytes => this.#mayAnswer(bytes))) return
    if (this.#exchanges.some(exchange => exchange.client === op.client && this.#isForgeable(exchange))) return
    const byService = op.sent.some(bytes => this.#answers.get(nameOf(bytes))?.has(code))
    require(byService ||
      this.#kdcCodes.has(`${op.client} ${code}`), `${op.client} believes that it was refused: ${code}`)
    if (final) for (const bytes of op.sent) this.#giveUp(nameOf(bytes))
  }

  #giveUp(id: string): void {
    require(!this.#handled.has(id), 'a client was told that a request never will be handled, and it had been')
    this.#givenUp.add(id)
  }

  /** Whether the attacker has the keys to answer in the service's place. */
  #mayAnswer(bytes: Uint8Array): boolean {
    const view = readAp(bytes)
    if (view === undefined) return false
    const legs = view.delegated === undefined ? [view.own] : [view.own, view.delegated]
    return legs.every(({ ticket, caveats }) => {
      const issued = this.#identify(ticket)
      return issued !== undefined && this.#reference.mayUse({ ticket: issued, caveats })
    })
  }

  /** How many of a request's AP-REQs were let through; one that came too early is sent again as the same bytes. */
  #handledOf(op: Op): number {
    const names = new Set(op.sent.map(nameOf))
    return [...names].filter(name => this.#handled.has(name)).length
  }
}

function textOf({ status, body }: Answered): string {
  return `${status} ${body}`
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
