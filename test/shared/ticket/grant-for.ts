import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Principal } from '../../../shared/principal.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { sealTicket } from '../../../shared/ticket/ticket.js'
import { ticketContent } from '../../support/ticket-content.js'

/** KDC time when the grants are made, milliseconds. */
export const NOW = 1_800_000_000_000

/** A grant with a sealed ticket for the service, unless `more` says otherwise. */
export function grantFor(service: Principal, more: Partial<Grant> = {}): Grant {
  const content = ticketContent(NOW, NOW + 60_000, { flags: 1, claims: [['role', 'reader']], ...more })
  const ticket = sealTicket(service, 1, new LongTermKey(systemRandom(32)), content, systemRandom)
  return { ...content, service, ticket: ticket.bytes, ...more }
}
