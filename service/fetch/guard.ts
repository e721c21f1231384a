import {
  type AuthorisedRequest,
  authoriseAgain,
  authoriseRequest,
  type Checkers,
} from '../request/authorise.js'
import { type Header, RequestAborted, type ResponseMessage } from '../request/message.js'
import { checkersFor, tellRefused } from '../request/options.js'
import { challengeRequest, type Refused, refuseRequest, requestFields } from '../request/refuse.js'
import { causeForBegun, refusalOf } from '../request/revocation.js'
import type { AcceptedTicket } from '../request/ticket.js'
import { standingHeaders } from './cors.js'
import { Handling } from './handling.js'
import type { FetchGate } from './options.js'
import { refusalResponse, renderRefusal } from './refusal.js'
import { type FetchMessage, messageOf, withBody } from './request.js'
import { abortedResponse, Responder } from './respond.js'

/** What answers a request that passed. */
export type Answer = (request: Request, ticket: AcceptedTicket) => unknown

interface Passed extends AuthorisedRequest {
  readonly gate: FetchGate
  readonly message: FetchMessage
  readonly responder: Responder
  /** What a gate further in answered: it is sent in place of whatever the handler makes of it. */
  refusal: ResponseMessage | undefined
  /** Its answer is made: whoever brings the request again brings a replay. */
  isAnswered: boolean
}

/** By the request as it came, and as its handler has it, so that a gate that meets it again takes it for no replay. */
const passedRequests = new WeakMap<Request, Passed>()

/** The ticket of a request that a gate let through. */
export function passedTicket(request: Request): AcceptedTicket | undefined {
  return passedRequests.get(request)?.ticket
}

/** The proved answer to a request, or its refusal. */
export async function passGate(gate: FetchGate, request: Request, answer: Answer): Promise<Response> {
  const { service } = gate
  const known = passedRequests.get(request)
  const before = known?.gate.service === service && !known.isAnswered ? known : undefined
  const arrived = before?.message ?? messageOf(request, service.timers)
  let message = arrived
  let authorised: AuthorisedRequest | undefined
  try {
    const target = gate.targetOf(request)
    if (target !== arrived.target) message = { ...arrived, target }
    const checkers = checkersFor(gate, request)
    if (before === undefined) authorised = await authoriseRequest(gate, message, checkers)
    else passAgain(gate, before, request, checkers)
  } catch (cause) {
    if (cause instanceof RequestAborted) {
      service.report({ kind: 'aborted', ...requestFields(message) })
      return abortedResponse()
    }
    return refuse(gate, request, message, refuseRequest(service, message, cause), before)
  }
  if (before !== undefined) return (await answer(request, before.ticket)) as Response
  if (authorised === undefined) return refuse(gate, request, message, challengeRequest(service, message))
  return answerOnce(passedBy(gate, message, authorised, standingHeaders(gate, request)), request, answer)
}

function passedBy(
  gate: FetchGate,
  message: FetchMessage,
  authorised: AuthorisedRequest,
  standing: readonly Header[],
): Passed {
  const { service, coverResponse, maxResponse, sealResponses } = gate
  const { verified, ticket } = authorised
  const { covered } = ticket
  const options = { message, verified, service, covered, coverResponse, maxResponse, sealResponses, standing }
  const responder = new Responder(options)
  return { ...authorised, gate, message, responder, refusal: undefined, isAnswered: false }
}

/**
 * @throws Refusal
 * @throws TypeError if all gates together cover too many headers of the response
 */
function passAgain(gate: FetchGate, before: Passed, request: Request, checkers: Checkers): void {
  before.responder.keepHeaders(standingHeaders(gate, request))
  authoriseAgain(gate, before, checkers)
  before.responder.cover(gate.coverResponse)
}

async function refuse(
  gate: FetchGate,
  request: Request,
  { method }: FetchMessage,
  refused: Refused,
  outer?: Passed,
): Promise<Response> {
  if (outer !== undefined) outer.refusal = refused.response
  const response = await renderRefusal(gate, request, refused)
  if (outer !== undefined) outer.refusal = response
  return refusalResponse(method, response, outer?.responder.standing ?? standingHeaders(gate, request))
}

/** Whoever waits for the handler's answer is told at once. */
function refuseBegun(
  { gate, message, responder }: Passed,
  request: Request,
  { refused, response }: Refused,
): Response {
  tellRefused(gate, refused, request)
  return refusalResponse(message.method, response, responder.standing)
}

/** Once step 8 fails, the client is answered so, and what the handler does is dropped. */
async function answerOnce(passed: Passed, request: Request, answer: Answer): Promise<Response> {
  const { gate, message, verified } = passed
  const handling = new Handling({ ...passed, signal: request.signal })
  try {
    const made = makeResponse(passed, request, answer, handling)
    const outcome = await Promise.race([handling.interrupted, made])
    if (!('cause' in outcome)) return outcome
    if (outcome.cause === undefined) return abortedResponse()
    const shown = refusalOf(verified, causeForBegun(message.method, outcome.cause))
    return refuseBegun(passed, request, refuseRequest(gate.service, message, shown))
  } finally {
    passed.isAnswered = true
    handling.answered()
  }
}

/** What fails once the request was interrupted is a consequence of that, and nobody is told. */
async function makeResponse(
  passed: Passed,
  request: Request,
  answer: Answer,
  handling: Handling,
): Promise<Response> {
  const { message, responder, ticket } = passed
  const { stop } = handling
  try {
    const handed = withBody(request, message)
    for (const each of [request, handed]) passedRequests.set(each, passed)
    const response = (await answer(handed, ticket)) as Response
    if (stop.aborted) {
      await response?.body?.cancel()
      return abortedResponse()
    }
    if (passed.refusal === undefined) return await responder.respond(response, stop, handling)
  } catch (err) {
    if (stop.aborted) return abortedResponse()
    if (passed.refusal === undefined) return responder.threw(err, handling)
  }
  return refusalResponse(message.method, passed.refusal, responder.standing)
}
