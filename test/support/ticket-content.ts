import { SIZE } from '../../shared/constants.js'
import { SessionKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { parsePrincipal } from '../../shared/principal.js'
import type { TicketContent } from '../../shared/ticket/ticket.js'

/** The content of a ticket of `web`, with an id and a key of its own; whatever `more` says goes before. */
export function ticketContent(
  startTime: number,
  endTime: number,
  more: Partial<TicketContent> = {},
): TicketContent {
  return {
    ticketId: systemRandom(SIZE.TICKET_ID),
    client: parsePrincipal('web@demo.example'),
    clientId: systemRandom(SIZE.CLIENT_ID),
    key: new SessionKey(systemRandom(SIZE.KEY)),
    authTime: startTime,
    startTime,
    endTime,
    renewTill: null,
    flags: 0,
    claims: [],
    caveats: [],
    ...more,
  }
}
