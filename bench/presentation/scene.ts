import { FLAG, SIZE } from '../../shared/constants.js'
import { LongTermKey, SessionKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import { type SealedTicket, sealTicket } from '../../shared/ticket/ticket.js'
import { HOUR } from '../../shared/time.js'

/** Makes tickets as a KDC would, without running one. */

export interface BenchService {
  readonly name: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

/** What a client has: the ticket, and its key. */
export interface BenchGrant {
  readonly ticket: SealedTicket
  readonly key: SessionKey
}

export function createService(name: Principal): BenchService {
  return { name, kvno: 1, key: new LongTermKey(systemRandom(SIZE.KEY)) }
}

export function grantTicket({ name, kvno, key: serviceKey }: BenchService, client: Principal): BenchGrant {
  const key = new SessionKey(systemRandom(SIZE.KEY))
  const now = Date.now()
  const content = {
    ticketId: systemRandom(SIZE.TICKET_ID),
    client,
    clientId: systemRandom(SIZE.CLIENT_ID),
    key,
    authTime: now,
    startTime: now,
    endTime: now + HOUR,
    renewTill: null,
    flags: FLAG.DELEGABLE,
    claims: [['role', 'reader']] as const,
    caveats: [],
  }
  return { ticket: sealTicket(name, kvno, serviceKey, content, systemRandom), key }
}
