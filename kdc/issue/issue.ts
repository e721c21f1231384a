import { LIMIT, SIZE } from '../../shared/constants.js'
import { type LongTermKey, SessionKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { caveatBytes } from '../../shared/encoding/fields.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { sealTicket, type TicketContent } from '../../shared/ticket/ticket.js'
import { requireCurrentKey } from '../realm/principal-keys.js'
import type { PrincipalRecord } from '../vault/records.js'

/** Issues the ticket that was decided on (docs/protocol.md section 4). */

/** A service and the key that seals its tickets. */
export interface IssuingService {
  readonly name: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

/** The current key of a principal. Nothing is sealed under a staged one. @throws OrthrusError `unavailable` */
export function issuingService(record: PrincipalRecord): IssuingService {
  const { kvno, key } = requireCurrentKey(record)
  return { name: record.name, kvno, key }
}

/**
 * Draws a ticketId and a session key, and seals the ticket.
 * @throws OrthrusError `too_large` for more than 16 caveats, more than 2 KiB of them, or a ticket of more than 4 KiB
 * (section 3)
 */
export function issueTicket(
  service: IssuingService,
  terms: Omit<TicketContent, 'ticketId' | 'key'>,
  random: RandomSource,
): Grant {
  requireCaveatLimits(terms.caveats)
  const { client, clientId, caveats, authTime, startTime, endTime, renewTill, flags, claims } = terms
  const ticketId = random(SIZE.TICKET_ID)
  const key = new SessionKey(random(SIZE.KEY))
  // Each field by its name: a spread of the terms takes longer than the encoding of the ticket.
  const content = {
    client,
    clientId,
    caveats,
    ticketId,
    key,
    authTime,
    startTime,
    endTime,
    renewTill,
    flags,
    claims,
  }
  const { bytes } = sealTicket(service.name, service.kvno, service.key, content, random)
  if (bytes.length > LIMIT.TICKET_BYTES) throw tooLarge(`a ticket of ${bytes.length} bytes`)
  return {
    ticket: bytes,
    service: service.name,
    key,
    ticketId,
    authTime,
    startTime,
    endTime,
    renewTill,
    flags,
    claims,
  }
}

function requireCaveatLimits(caveats: readonly Uint8Array[]): void {
  if (caveats.length > LIMIT.CAVEATS) throw tooLarge(`${caveats.length} caveats`)
  if (caveatBytes(caveats) > LIMIT.CAVEATS_BYTES) throw tooLarge('caveats of more than 2 KiB')
}

function tooLarge(what: string): OrthrusError {
  return new OrthrusError('too_large', `the limit of a ticket is exceeded: ${what}`)
}
