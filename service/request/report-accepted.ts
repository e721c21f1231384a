import { ticketsOf, type VerifiedRequest } from '../../shared/accept/accept.js'
import type { RequestMessage } from './message.js'
import { requestFields } from './refuse.js'
import type { ServiceParts } from './service.js'
import type { AcceptedTicket } from './ticket.js'

/** Reports a request that its handler is about to get. It is made only if somebody listens, as every request has it. */
export function reportAccepted(
  { telemetry }: Pick<ServiceParts, 'telemetry'>,
  message: RequestMessage,
  verified: VerifiedRequest,
  { client, via, ticketId }: AcceptedTicket,
): void {
  if (!telemetry.acceptedAudience.isListening) {
    telemetry.counts.accepted++
    return
  }
  telemetry.report({
    kind: 'accepted',
    client,
    via,
    ticketId,
    viaTicketId: via === undefined ? undefined : ticketsOf(verified).viaTicketId,
    caveats: verified.caveats.map(({ name }) => name),
    ...requestFields(message),
  })
}
