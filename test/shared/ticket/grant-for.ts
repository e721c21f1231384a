import { LongTermKey, SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { type Principal, parsePrincipal } from '../../../shared/principal.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { sealTicket } from '../../../shared/ticket/ticket.js'

const WEB = parsePrincipal('web@demo.example')

/** KDC time when the grants are made, milliseconds. */
export const NOW = 1_800_000_000_000

/** A grant with a sealed ticket for the service, unless `more` says otherwise. */
export function grantFor(service: Principal, more: Partial<Grant> = {}): Grant {
  const times = { authTime: NOW, startTime: NOW, endTime: NOW + 60_000, renewTill: null }
  const grant = { service, key: new SessionKey(systemRandom(32)), ticketId: systemRandom(16), ...times }
  const whole = { ...grant, flags: 1, claims: [['role', 'reader']] as const, ...more }
  const content = { ...whole, client: WEB, clientId: systemRandom(8), caveats: [] }
  const ticket = sealTicket(service, 1, new LongTermKey(systemRandom(32)), content, systemRandom)
  return { ...whole, ticket: ticket.bytes, ...more }
}
