import { showsProtocol } from '../../shared/http/protocol-signs.js'
import type { Header } from '../request/message.js'
import { countWithoutTicket } from '../request/without-ticket.js'
import type { FetchGate } from './options.js'
import { targetIn } from './request.js'

/**
 * Whether a request is let through without a ticket, which is counted. A `Request` does not say where it came from.
 * @param context what the framework gives beside it
 */
export function passesWithoutTicket(gate: FetchGate, request: Request, context: unknown): boolean {
  if (!gate.permitsWithoutTicket || mayPresentTicket(request)) return false
  countRequest(gate, request, context)
  return true
}

export function mayPresentTicket({ headers }: Request): boolean {
  return showsProtocol([...headers] as Header[])
}

/** What is called when something else let a request without a ticket pass. */
export function countingNext<Result>(
  gate: FetchGate,
  request: Request,
  context: unknown,
  next: () => Result,
): () => Result {
  if (!gate.permitsWithoutTicket) return next
  return () => {
    countRequest(gate, request, context)
    return next()
  }
}

export function countRequest(gate: FetchGate, request: Request, context: unknown): void {
  const { method, url } = request
  countWithoutTicket(gate, {
    method,
    target: targetIn(url),
    request,
    shown: request,
    context,
    address: undefined,
  })
}
