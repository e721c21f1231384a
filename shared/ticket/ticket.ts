import { concatBytes } from '../bytes.js'
import { FLAGS_DEFINED, SIZE, TYPE } from '../constants.js'
import { type LongTermKey, revealKey, SessionKey } from '../crypto/keys.js'
import type { RandomSource } from '../crypto/random.js'
import { open, seal } from '../crypto/seal.js'
import { decode, encodeScratch, type Value } from '../encoding/encoding.js'
import {
  bitsOf,
  bytesOf,
  caveatListOf,
  fields,
  kvnoOf,
  nullable,
  numberOf,
  principalOf,
} from '../encoding/fields.js'
import { createMessage, decodeMessage, header } from '../encoding/message.js'
import { malformed, OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'
import { RecentlyUsed } from '../recently-used.js'
import { type Claims, decodeClaims, encodeClaims } from './claims.js'

/** Tickets (docs/protocol.md section 4). A `SealedTicket` only claims a service; an `OpenedTicket` is proved. */

export interface SealedTicket {
  readonly service: Principal
  readonly kvno: number
  readonly box: Uint8Array
  /** The whole ticket as it is sent. */
  readonly bytes: Uint8Array
}

/** What a ticket tells the service, and its grant tells the client. */
export interface TicketTerms {
  readonly ticketId: Uint8Array
  readonly key: SessionKey
  /** Milliseconds, KDC time. */
  readonly authTime: number
  readonly startTime: number
  readonly endTime: number
  readonly renewTill: number | null
  readonly flags: number
  readonly claims: Claims
}

/** All that a ticket tells the service. */
export interface TicketContent extends TicketTerms {
  readonly client: Principal
  readonly clientId: Uint8Array
  readonly caveats: readonly Uint8Array[]
}

/** A ticket whose box was opened with the service's key, so its content comes from the KDC. */
export interface OpenedTicket extends TicketContent {
  readonly service: Principal
  readonly kvno: number
  readonly opened: true
}

/** @throws OrthrusError `malformed` `unsupported_version` */
export function decodeTicket(bytes: Uint8Array): SealedTicket {
  const [service, kvno, box] = fields(decodeMessage(bytes, TYPE.TICKET), 3)
  return { service: principalOf(service), kvno: kvnoOf(kvno), box: bytesOf(box), bytes }
}

/** Decodes a ticket inside another message. Whatever is wrong with it, that message is `malformed`. */
export function decodeInnerTicket(bytes: Uint8Array): SealedTicket {
  try {
    return decodeTicket(bytes)
  } catch (cause) {
    if (cause instanceof OrthrusError) throw malformed('the ticket inside is malformed')
    throw cause
  }
}

/** Remembered, because the same few services recur, and of each nearly always one kvno. */
const aads = new RecentlyUsed<Principal, { readonly kvno: number; readonly aad: Uint8Array }>(1_000)

function aadOf(service: Principal, kvno: number): Uint8Array {
  const known = aads.get(service)
  if (known?.kvno === kvno) return known.aad
  const aad = concatBytes(header(TYPE.TICKET), encodeScratch([service, kvno])).slice()
  aads.set(service, { kvno, aad })
  return aad
}

/** @param key the service's long-term key of that kvno. */
export function sealTicket(
  service: Principal,
  kvno: number,
  key: LongTermKey,
  content: TicketContent,
  random: RandomSource,
): SealedTicket {
  const box = seal(key, 'ticket', aadOf(service, kvno), encodeScratch(encodeContent(content)), random)
  return { service, kvno, box, bytes: createMessage(TYPE.TICKET, [service, kvno, box]) }
}

function encodeContent(content: TicketContent): Value[] {
  return [
    content.ticketId,
    content.client,
    content.clientId,
    revealKey(content.key),
    content.authTime,
    content.startTime,
    content.endTime,
    content.renewTill,
    content.flags,
    encodeClaims(content.claims),
    [...content.caveats],
  ]
}

/** @throws OrthrusError `ticket_invalid` unless the KDC made the box for this service, kvno and key. */
export function openTicket(ticket: SealedTicket, key: LongTermKey): OpenedTicket {
  const plaintext = open(key, 'ticket', aadOf(ticket.service, ticket.kvno), ticket.box)
  if (plaintext === undefined) throw ticketInvalid(ticket, 'its box does not open')
  try {
    return decodeContent(ticket, plaintext)
  } catch (cause) {
    if (cause instanceof OrthrusError) throw ticketInvalid(ticket, 'its content is malformed')
    throw cause
  }
}

export function ticketInvalid(ticket: Pick<SealedTicket, 'service' | 'kvno'>, reason: string): OrthrusError {
  return new OrthrusError(
    'ticket_invalid',
    `the ticket for ${ticket.service}, kvno ${ticket.kvno}: ${reason}`,
    {
      service: ticket.service,
      kvno: ticket.kvno,
    },
  )
}

function decodeContent({ service, kvno }: SealedTicket, plaintext: Uint8Array): OpenedTicket {
  const list = fields(decode(plaintext), 11)
  return {
    service,
    kvno,
    ticketId: bytesOf(list[0], SIZE.TICKET_ID),
    client: principalOf(list[1]),
    clientId: bytesOf(list[2], SIZE.CLIENT_ID),
    key: takeKey(bytesOf(list[3], SIZE.KEY)),
    authTime: numberOf(list[4]),
    startTime: numberOf(list[5]),
    endTime: numberOf(list[6]),
    renewTill: nullable(list[7], numberOf),
    flags: bitsOf(list[8], FLAGS_DEFINED),
    claims: decodeClaims(list[9]),
    caveats: caveatListOf(list[10]),
    opened: true,
  }
}

/** Removes the key from the plaintext, which lives on with its caveats: an application gets a view of it as a value. */
function takeKey(bytes: Uint8Array): SessionKey {
  const key = new SessionKey(bytes.slice())
  bytes.fill(0)
  return key
}
