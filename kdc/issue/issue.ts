import { LIMIT, SIZE } from '../../shared/constants.js'
import { type LongTermKey, SessionKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { encodeBriefly } from '../../shared/encoding/encoding.js'
import { caveatBytes } from '../../shared/encoding/fields.js'
import { HEADER_BYTES } from '../../shared/encoding/message.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { encodeGrant, type Grant } from '../../shared/ticket/grant.js'
import { sealTicket, type TicketContent } from '../../shared/ticket/ticket.js'
import type { PrincipalRecord } from '../vault/records.js'

/** A decision made into a ticket (docs/protocol.md section 4). */

/** A service with the key that its tickets are sealed under. */
export interface IssuingService {
  readonly name: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

/** The newest key of a principal; one that was not removed has one. */
export function issuingService(record: PrincipalRecord): IssuingService {
  const [current] = record.keys
  if (current === undefined) throw new OrthrusError('unavailable', `${record.name} has no key`)
  return { name: record.name, kvno: current.kvno, key: current.key }
}

/**
 * Draws a ticketId and a session key and seals the ticket.
 * @throws OrthrusError `too_large` for over 16 caveats, 2 KiB of them, or a ticket over 4 KiB (section 3).
 */
export function issueTicket(
  service: IssuingService,
  terms: Omit<TicketContent, 'ticketId' | 'key'>,
  random: RandomSource,
): Grant {
  requireCaveatLimits(terms.caveats)
  const content = { ...terms, ticketId: random(SIZE.TICKET_ID), key: new SessionKey(random(SIZE.KEY)) }
  const { bytes } = sealTicket(service.name, service.kvno, service.key, content, random)
  if (bytes.length > LIMIT.TICKET_BYTES) throw tooLarge(`a ticket of ${bytes.length} bytes`)
  const { ticketId, key, authTime, startTime, endTime, renewTill, flags, claims } = content
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
  return new OrthrusError('too_large', `${what}, more than a ticket may have`)
}

/** Even chances from 0 to just below 1. */
export function drawShare(random: RandomSource): number {
  const bytes = random(4)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32
}

/** What every reply has besides grants and denials: header, seal, the list, the time, and the heads of two lists. */
const REPLY_BYTES = HEADER_BYTES + SIZE.SEAL_NONCE + SIZE.TAG + 1 + 9 + 3 + 3

/** What a grant has besides its ticket, its service and its claims, which the ticket has too. */
const GRANT_BYTES = 256

/** No grant is longer than this; it need not be encoded to know that. */
function atMost({ ticket, service }: Grant): number {
  return 2 * ticket.length + service.length + GRANT_BYTES
}

/** Counts the bytes of a reply, with room kept for a denial of every service asked for, so that it never overflows. */
export class ReplySpace {
  readonly #room: number
  readonly #grants: Grant[] = []
  /** No less than what the grants so far take. */
  #taken = 0

  constructor(services: readonly Principal[]) {
    const denials = services.reduce((sum, service) => sum + denialBytes(service), 0)
    this.#room = LIMIT.MESSAGE_BYTES - REPLY_BYTES - denials
  }

  /** @throws OrthrusError `too_large` where the grant does not fit beside the others. */
  take(grant: Grant): void {
    const bound = this.#taken + atMost(grant)
    const taken = bound <= this.#room ? bound : bytesOf([...this.#grants, grant])
    if (taken > this.#room) throw new OrthrusError('too_large', 'the reply has no room for another ticket')
    this.#grants.push(grant)
    this.#taken = taken
  }
}

function bytesOf(grants: readonly Grant[]): number {
  return grants.reduce((sum, grant) => sum + encodeBriefly(encodeGrant(grant)).length, 0)
}

/** A list of two, the head of a name, and the longest of the codes that deny. */
const DENIAL_BYTES = 1 + 3 + 1 + 'unknown_service'.length

function denialBytes(service: Principal): number {
  return DENIAL_BYTES + service.length
}
