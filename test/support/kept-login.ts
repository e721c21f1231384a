import type { KeptLogin } from '../../client/kept-login/kept-login.js'
import { LongTermKey, SessionKey } from '../../shared/crypto/keys.js'
import { type Principal, parsePrincipal, parseRealm, principalIn } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { sealTicket } from '../../shared/ticket/ticket.js'
import { DAY, HOUR } from '../../shared/time.js'

/** A login with two tickets, as it is kept in a file. */

export const START = Date.UTC(2026, 0, 1)
const REALM = parseRealm('demo.example')
export const ANN: Principal = parsePrincipal('ann@demo.example')

/** A ticket for an hour. */
export function grantFor(name: string): Grant {
  const service = principalIn(REALM, name)
  const bytes = (fill: number, length: number): Uint8Array => new Uint8Array(length).fill(fill)
  const terms = {
    key: new SessionKey(bytes(7, 32)),
    ticketId: bytes(3, 16),
    authTime: START,
    startTime: START,
    endTime: START + HOUR,
    renewTill: null,
    flags: 0,
    claims: [['role', 'reader']] as const,
  }
  const content = { ...terms, client: ANN, clientId: bytes(5, 8), caveats: [] }
  const sealed = sealTicket(service, 1, new LongTermKey(bytes(9, 32)), content, length => bytes(1, length))
  return { ...terms, ticket: sealed.bytes, service }
}

export const LOGIN: KeptLogin = {
  id: '00112233445566778899aabbccddeeff',
  client: ANN,
  kdc: ['ws://127.0.0.1:8750'],
  parameters: { log2N: 17, r: 8, p: 1, salt: new Uint8Array(16).fill(2) },
  tgt: { ...grantFor('krbtgt'), endTime: START + 10 * HOUR, renewTill: START + 7 * DAY },
  tickets: [
    { lifetime: 0, grant: grantFor('orders') },
    { lifetime: 0, grant: grantFor('billing') },
  ],
}
