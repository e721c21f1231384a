import { FLAGS_DEFINED, SIZE } from '../constants.js'
import { revealKey, SessionKey } from '../crypto/keys.js'
import type { Value } from '../encoding/encoding.js'
import {
  bitsOf,
  bytesOf,
  fields,
  nullable,
  numberOf,
  principalOf,
  ticketBytesOf,
} from '../encoding/fields.js'
import type { Principal } from '../principal.js'
import { decodeClaims, encodeClaims } from './claims.js'
import type { TicketTerms } from './ticket.js'

/** A ticket that was granted, with what the client must know about it (docs/protocol.md sections 4, 6 and 7). */

export interface Grant extends TicketTerms {
  /** The sealed ticket, which the client passes on and cannot open. */
  readonly ticket: Uint8Array
  readonly service: Principal
}

export function encodeGrant(grant: Grant): Value[] {
  return [
    grant.ticket,
    grant.service,
    revealKey(grant.key),
    grant.ticketId,
    grant.authTime,
    grant.startTime,
    grant.endTime,
    grant.renewTill,
    grant.flags,
    encodeClaims(grant.claims),
  ]
}

export function decodeGrant(value: Value | undefined): Grant {
  const list = fields(value, 10)
  return {
    ticket: ticketBytesOf(list[0]),
    service: principalOf(list[1]),
    key: new SessionKey(bytesOf(list[2], SIZE.KEY).slice()),
    ticketId: bytesOf(list[3], SIZE.TICKET_ID),
    authTime: numberOf(list[4]),
    startTime: numberOf(list[5]),
    endTime: numberOf(list[6]),
    renewTill: nullable(list[7], numberOf),
    flags: bitsOf(list[8], FLAGS_DEFINED),
    claims: decodeClaims(list[9]),
  }
}
