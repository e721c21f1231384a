import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OrthrusError } from '../../shared/errors.js'
import { type AuthorisedRequest, authoriseAgain, authoriseRequest } from '../request/authorise.js'
import { RequestAborted, type RequestMessage } from '../request/message.js'
import { checkersFor, type TicketGate, tellRefused } from '../request/options.js'
import { challengeRequest, type Refused, refuseRequest, requestFields } from '../request/refuse.js'
import { causeForBegun, type Revocation, refusalOf } from '../request/revocation.js'
import type { ServiceParts } from '../request/service.js'
import { type AcceptedTicket, abortTicket } from '../request/ticket.js'
import { AttachedState } from '../response/attached-state.js'
import { type Proof, proofFor } from '../response/proof.js'
import { canRender } from '../response/refusal.js'
import { answerWith } from './answer.js'
import { whenOver } from './connection-end.js'
import { type PassOn, refuseByApplication } from './refusal.js'
import { messageOf } from './request.js'

/** An authorised request, and the proof that its response will carry. */
export interface Passed extends AuthorisedRequest {
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

/**
 * What passed, or `undefined` if the request was refused, or nobody is left to answer.
 * @param passOn where refusals go if the gate passes them on
 */
export async function passGate(
  gate: TicketGate,
  req: IncomingMessage,
  res: ServerResponse,
  passOn?: PassOn,
): Promise<Passed | undefined> {
  const { service } = gate
  const message = messageOf(req, res, service.timers)
  try {
    const checkers = checkersFor(gate, req)
    const known = PassedState.at(service, req)
    if (known !== undefined) {
      authoriseAgain(gate, known, checkers)
      known.proof.cover(gate.coverResponse)
      return known
    }
    const authorised = await authoriseRequest(gate, message, checkers)
    if (authorised !== undefined) return letPass(gate, req, res, message, authorised)
    refuse(gate, req, res, challengeRequest(service, message), passOn)
  } catch (cause) {
    if (cause instanceof RequestAborted) service.report({ kind: 'aborted', ...requestFields(message) })
    else refuse(gate, req, res, refuseRequest(service, message, cause), passOn)
  }
  return undefined
}

function letPass(
  gate: TicketGate,
  req: IncomingMessage,
  res: ServerResponse,
  message: RequestMessage,
  { verified, ticket }: AuthorisedRequest,
): Passed {
  const { service, coverResponse, maxResponse } = gate
  const proof = proofFor(res, { message, verified, service, coverResponse, maxResponse })
  const passed = { service, verified, ticket, proof }
  PassedState.keep(req, passed)
  req.ticket = ticket
  const { revocation } = service
  if (revocation !== undefined) {
    endWithRevocation(revocation, passed, req, res, cause => {
      const answered = refusalOf(verified, causeForBegun(message.method, cause))
      refuseAtOnce(gate, req, res, refuseRequest(service, message, answered))
    })
  }
  return passed
}

/** Once step 8 fails, what the handler has not ended is answered so, and whatever it still writes is dropped. */
function endWithRevocation(
  revocation: Revocation,
  { verified, ticket, proof }: Passed,
  req: IncomingMessage,
  res: ServerResponse,
  answer: (cause: OrthrusError) => void,
): void {
  const forget = revocation.watch(verified, cause => {
    if (proof.hasEnded) return
    proof.supersede()
    answer(cause)
    abortTicket(ticket, cause)
  })
  whenOver(req, res, forget)
}

function refuse(
  gate: TicketGate,
  req: IncomingMessage,
  res: ServerResponse,
  refused: Refused,
  passOn: PassOn | undefined,
): void {
  const isOwners = gate.options.onRefused !== undefined || passOn !== undefined
  if (isOwners && canRender(res)) refuseByApplication(gate, req, res, refused, passOn)
  else refuseAtOnce(gate, req, res, refused)
}

/** A handler that has begun goes on writing to the response, so nobody else can. */
function refuseAtOnce(
  gate: TicketGate,
  req: IncomingMessage,
  res: ServerResponse,
  { refused, response }: Refused,
): void {
  answerWith(req, res, gate.service.timers, response)
  tellRefused(gate, refused, req, res)
}
