import { furtherHeadersOf } from '../../shared/http/further-option.js'
import type { TicketGate } from './options.js'

/**
 * One gate that lets through what both would. Limits, and the functions of the owner, are those of the first.
 * @throws TypeError if the two name more than 32 further headers together
 */
export function bothGates<Req>(first: TicketGate<Req>, second: TicketGate<Req>): TicketGate<Req> {
  const requireCovered = [...first.requireCovered, ...second.requireCovered]
  const coverResponse = [...first.coverResponse, ...second.coverResponse]
  return {
    ...first,
    requirement: accepted => first.requirement(accepted) ?? second.requirement(accepted),
    requireCovered: furtherHeadersOf('requireCovered of a route', [...new Set(requireCovered)]),
    coverResponse: furtherHeadersOf('coverResponseHeaders of a route', [...new Set(coverResponse)]),
  }
}
