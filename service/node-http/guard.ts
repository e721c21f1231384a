import type { IncomingMessage, ServerResponse } from 'node:http'
import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { OrthrusError } from '../../shared/errors.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import { type AuthorisedRequest, authoriseAgain, authoriseRequest } from '../request/authorise.js'
import { RequestAborted, type RequestMessage } from '../request/message.js'
import { checkersFor, type ResponseFor, type TicketGate, tellRefused } from '../request/options.js'
import { challengeRequest, type Refused, refuseRequest, requestFields } from '../request/refuse.js'
import { causeForBegun, refusalOf, type Watched } from '../request/revocation.js'
import type { ServiceParts } from '../request/service.js'
import { whenTicketsEnd } from '../request/stream-end.js'
import { type AcceptedTicket, abortTicket } from '../request/ticket.js'
import { type UnsealedRequest, unsealRequest } from '../request/unseal-request.js'
import { AttachedState } from '../response/attached-state.js'
import { type Proof, proofFor } from '../response/proof.js'
import { canRender } from '../response/refusal.js'
import { answerWith } from './answer.js'
import { isOver, whenOver } from './connection-end.js'
import type { NodeGate } from './options.js'
import { type PassOn, refuseByApplication } from './refusal.js'
import { messageOf } from './request.js'

/** An authorised request, and the proof that its response will carry. */
export interface Passed extends Omit<AuthorisedRequest, 'isSealed'> {
  readonly service: ServiceParts
  readonly proof: Proof
}

/** Kept on the request, so that a gate that meets it again does not take it for a replay of itself. */
class PassedState extends AttachedState {
  #passed: Passed

  private constructor(req: IncomingMessage, passed: Passed) {
    super(req)
    this.#passed = passed
  }

  static at(service: ServiceParts, req: IncomingMessage): Passed | undefined {
    return #passed in req && req.#passed.service === service ? req.#passed : undefined
  }

  static ticketOf(req: object): AcceptedTicket | undefined {
    return #passed in req ? req.#passed.ticket : undefined
  }

  static keep(req: IncomingMessage, passed: Passed): void {
    if (#passed in req) req.#passed = passed
    else new PassedState(req, passed)
  }
}

/** The ticket of a request that a gate let through. What anybody wrote to `req.ticket` is not looked at. */
export function passedTicket(req: object): AcceptedTicket | undefined {
  return PassedState.ticketOf(req)
}

/** A request of a server, and its response. */
export interface Arrival<Req = IncomingMessage> {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** The request in the form in which the owner's functions get it: that of the framework. */
  readonly shown: Req
  /** Path and query as the client bound them. Default: as they arrived. */
  readonly targetOf?: (shown: Req) => string
}

/**
 * What passed, or `undefined` if the request was refused, or nobody is left to answer.
 * @param passOn where refusals go if the gate passes them on
 */
export async function passGate(
  gate: NodeGate,
  req: IncomingMessage,
  res: ServerResponse,
  passOn?: PassOn,
): Promise<Passed | undefined> {
  const arrival = { req, res, shown: req, targetOf: gate.targetOf }
  const decision = await decideRequest(gate, arrival)
  if (decision === undefined || 'proof' in decision) return decision
  refuse(gate, arrival, decision, passOn)
  return undefined
}

/** What passed, or why it is refused, which has not been answered. `undefined` if nobody is left to answer. */
export async function decideRequest<Req>(
  gate: TicketGate<Req>,
  arrival: Arrival<Req>,
): Promise<Passed | Refused | undefined> {
  const { service } = gate
  const { req, res, shown, targetOf } = arrival
  const arrived = messageOf(req, res, service.timers)
  let message = arrived
  try {
    const target = targetOf === undefined ? arrived.target : targetOf(shown)
    if (target !== arrived.target) message = { ...arrived, target }
    const checkers = checkersFor(gate, shown)
    const known = PassedState.at(service, req)
    if (known !== undefined) {
      authoriseAgain(gate, known, checkers)
      known.proof.cover(gate.coverResponse)
      return known
    }
    const authorised = await authoriseRequest(gate, message, checkers)
    if (authorised !== undefined) return letPass(gate, arrival, message, authorised)
    return challengeRequest(service, message)
  } catch (cause) {
    if (!(cause instanceof RequestAborted)) return refuseRequest(service, message, cause)
    service.report({ kind: 'aborted', ...requestFields(message) })
    return undefined
  }
}

function letPass<Req>(
  gate: TicketGate<Req>,
  arrival: Arrival<Req>,
  message: RequestMessage,
  authorised: AuthorisedRequest,
): Passed {
  const { service, coverResponse, maxResponse, sealResponses, streamsOutliveTickets } = gate
  const { verified, ticket, isSealed } = authorised
  const { req, res } = arrival
  const { covered } = ticket
  const onStream = (): void => {
    if (!streamsOutliveTickets) whenOver(req, res, whenTicketsEnd(verified, service, end))
  }
  const options = { message, verified, service, covered, coverResponse, maxResponse, sealResponses, onStream }
  const proof = proofFor(res, options)
  const passed = { service, verified, ticket, proof }
  PassedState.keep(req, passed)
  req.ticket = ticket
  const body = isSealed ? openBody(gate, message, passed) : undefined
  const end = (cause: OrthrusError): void => {
    if (body?.isOpen !== true) {
      answerEnded(gate, arrival, message, passed, cause)
      return
    }
    body.end(cause)
    abortTicket(ticket, cause)
  }
  const { revocation } = service
  if (revocation !== undefined) {
    const watched = new Underway(arrival, verified, end)
    revocation.watch(watched)
    const forget = (): void => revocation.forget(watched)
    // A sealed body may still be read when the response has ended. Else a listener for each request would be a waste.
    if (body !== undefined) whenOver(req, res, forget)
    else proof.onceEnded(forget)
  }
  return passed
}

/** A request whose handler has begun. */
class Underway implements Watched {
  readonly tickets: readonly OpenedTicket[]
  readonly end: (cause: OrthrusError) => void
  readonly #req: IncomingMessage
  readonly #res: ServerResponse

  constructor(
    { req, res }: Pick<Arrival, 'req' | 'res'>,
    { tickets }: VerifiedRequest,
    end: (cause: OrthrusError) => void,
  ) {
    this.tickets = tickets
    this.end = end
    this.#req = req
    this.#res = res
  }

  get isGone(): boolean {
    return isOver(this.#req, this.#res)
  }
}

/** A sealed body, which the handler reads as it comes. */
function openBody(
  { service, streamsOutliveTickets }: Pick<TicketGate, 'service' | 'streamsOutliveTickets'>,
  message: RequestMessage,
  { verified, ticket, proof }: Passed,
): UnsealedRequest {
  return unsealRequest(message, verified, service, {
    mayOutliveTickets: streamsOutliveTickets,
    onBroken: cause => {
      const { client } = verified
      const fields = requestFields(message)
      if (cause === undefined) service.report({ kind: 'aborted', ...fields })
      else service.report({ kind: 'body_broken', client, reason: reasonOf(cause), ...fields })
      proof.abandon()
    },
    onExpired: cause => abortTicket(ticket, cause),
  })
}

/**
 * Once step 8 fails, or a ticket of a stream ends, what the handler has not ended is answered so, and whatever it still
 * writes is dropped. Of a stream that has begun, the connection ends.
 */
function answerEnded<Req>(
  gate: TicketGate<Req>,
  arrival: Arrival<Req>,
  message: RequestMessage,
  { verified, ticket, proof }: Passed,
  cause: OrthrusError,
): void {
  if (proof.hasEnded) return
  proof.supersede()
  const answered = refusalOf(verified, causeForBegun(message.method, cause))
  refuseAtOnce(gate, arrival, refuseRequest(gate.service, message, answered))
  abortTicket(ticket, cause)
}

function refuse(gate: TicketGate, arrival: Arrival, refused: Refused, passOn: PassOn | undefined): void {
  const { req, res } = arrival
  const isOwners = gate.options.onRefused !== undefined || passOn !== undefined
  if (isOwners && canRender(res)) refuseByApplication(gate, req, res, refused, passOn)
  else refuseAtOnce(gate, arrival, refused)
}

/** As it is, for where the application cannot write: a handler that has begun goes on writing to the response. */
export function refuseAtOnce<Req>(
  gate: TicketGate<Req>,
  { req, res, shown }: Arrival<Req>,
  { refused, response }: Refused,
): void {
  answerWith(req, res, gate.service.timers, response)
  const answered = (Object.is(shown, req) ? res : undefined) as ResponseFor<Req>
  tellRefused(gate, refused, shown, answered)
}

function reasonOf(cause: Error): string {
  return cause instanceof OrthrusError ? cause.reason : cause.message
}
