import type { RequestMessage } from './message.js'
import { addressFor, type TicketGate } from './options.js'
import { requestFields } from './refuse.js'

/** The option `permitWithoutTicket`: a request that presents nothing of Orthrus passes, and is counted. */

/** A request that was let through without a ticket, as its server has it, so that each is counted once by a service. */
const counted = new WeakMap<object, object>()

export interface Unticketed<Req> extends Pick<RequestMessage, 'method' | 'target'> {
  /** As the server has it. */
  readonly request: object
  /** In the form in which the owner's functions get it. */
  readonly shown: Req
  /** What a framework gives beside it. */
  readonly context?: unknown
  /** Of the connection, if it is known. */
  readonly address: string | undefined
}

/** A request without a ticket passes, because the gate permits it or something else in its place let it through. */
export function countWithoutTicket<Req>(gate: TicketGate<Req>, arrived: Unticketed<Req>): void {
  const { withoutTicket } = gate.service
  if (counted.get(arrived.request) === withoutTicket) return
  counted.set(arrived.request, withoutTicket)
  withoutTicket.count(
    addressFor(gate, arrived.shown, arrived.context) ?? arrived.address,
    requestFields(arrived),
  )
}

/**
 * Why `ticketOf` finds no ticket, if the request was let through without one.
 * @param ask how its handler asks whether there is one
 */
export function whyWithoutTicket(request: unknown, ask: string): string | undefined {
  if (typeof request !== 'object' || request === null || !counted.has(request)) return undefined
  return `the request came without one, and permitWithoutTicket let it pass. Ask with ${ask}, which is undefined here: nobody is proved to have sent it, so nothing can be called on anybody's behalf. A handler that must know its client needs a gate without permitWithoutTicket`
}
