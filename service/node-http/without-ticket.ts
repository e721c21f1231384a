import type { IncomingMessage, ServerResponse } from 'node:http'
import { pairsOf } from '../../shared/http/header-pairs.js'
import { showsProtocol } from '../../shared/http/protocol-signs.js'
import type { TicketGate } from '../request/options.js'
import { requestFields } from '../request/refuse.js'
import { countWithoutTicket } from '../request/without-ticket.js'
import { FAILED, FAILED_TYPE } from '../response/failure.js'
import { answerWith } from './answer.js'
import { isHeadCut } from './body.js'
import { headOf } from './request.js'

/** Requests of `node:http` that present no ticket: `permitWithoutTicket`, and what `or` leaves to something else. */

/** If Node may have dropped headers, nobody can say that no ticket was among them. */
export function mayPresentTicket(req: IncomingMessage): boolean {
  return showsProtocol(pairsOf(req.rawHeaders)) || isHeadCut(req)
}

/**
 * Whether a request is let through without a ticket, which is counted.
 * @param shown the request in the form in which the owner's functions get it
 * @param address where it came from. Default: that of the connection
 */
export function passesWithoutTicket<Req>(
  gate: TicketGate<Req>,
  req: IncomingMessage,
  shown: Req,
  address?: string,
): boolean {
  if (!gate.permitsWithoutTicket || mayPresentTicket(req)) return false
  countRequest(gate, req, shown, address)
  return true
}

/** What is called when something else let a request without a ticket pass. */
export function countingNext<Error, Result>(
  gate: TicketGate,
  req: IncomingMessage,
  next: (error?: Error) => Result,
): (error?: Error) => Result {
  if (!gate.permitsWithoutTicket || typeof next !== 'function') return next
  return error => {
    if (error === undefined || error === null) countRequest(gate, req, req)
    return next(error)
  }
}

export function countRequest<Req>(
  gate: TicketGate<Req>,
  req: IncomingMessage,
  shown: Req,
  address: string | undefined = req.socket?.remoteAddress,
): void {
  countWithoutTicket(gate, { ...headOf(req), request: req, shown, address })
}

/** Anybody can send such a request, so what its handler throws must not end the process. */
export function handleWithoutTicket(
  { service }: Pick<TicketGate, 'service'>,
  req: IncomingMessage,
  res: ServerResponse,
  handle: () => unknown,
): void {
  const fail = (err: unknown): void => {
    const fields = requestFields(headOf(req))
    const failure = { reason: 'it threw', hint: undefined, client: undefined, err }
    service.report({ kind: 'response_failed', ...failure, ...fields })
    answerWith(req, res, service.timers, FAILURE)
  }
  settled(handle)
    .catch(fail)
    .catch(() => res.destroy())
}

async function settled(handle: () => unknown): Promise<void> {
  await handle()
}

const FAILURE = {
  status: 500,
  headers: [
    ['content-type', FAILED_TYPE],
    ['content-length', String(FAILED.length)],
  ],
  body: FAILED,
} as const
