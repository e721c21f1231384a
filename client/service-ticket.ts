import { toHex } from '../shared/bytes.js'
import { deriveAuthKey } from '../shared/crypto/derive.js'
import type { AuthKey } from '../shared/crypto/keys.js'
import { OrthrusError } from '../shared/errors.js'
import type { Principal } from '../shared/principal.js'
import { FLAG } from '../shared/protocol/constants.js'
import type { Grant } from '../shared/protocol/grant.js'
import { type ClaimValue, decodeInnerTicket, type SealedTicket } from '../shared/protocol/ticket.js'

/** What of a ticket only the exchanges need. */
export interface TicketSecrets {
  readonly sealed: SealedTicket
  /** `A_0`: what requests under the ticket are MAC'd with. */
  readonly key: AuthKey
  /** What was asked for, milliseconds; 0 the most allowed. */
  readonly lifetime: number
}

/** For the modules that present or replace a ticket. */
export let secretsOf: (ticket: ServiceTicket) => TicketSecrets

/** A ticket for one service: opaque, with what a person may know of it. Times are milliseconds, KDC time. */
export class ServiceTicket {
  readonly service: Principal
  readonly client: Principal
  /** Hex. */
  readonly ticketId: string
  readonly authTime: number
  readonly startTime: number
  readonly endTime: number
  /** What policy says of the client, by name. */
  readonly claims: { readonly [name: string]: ClaimValue | undefined }
  /** Whether the client may hand it to another principal. */
  readonly delegable: boolean
  /** Whether the client proved itself by a password. */
  readonly passwordBased: boolean
  readonly #secrets: TicketSecrets

  constructor(client: Principal, grant: Grant, lifetime: number) {
    this.service = grant.service
    this.client = client
    this.ticketId = toHex(grant.ticketId)
    this.authTime = grant.authTime
    this.startTime = grant.startTime
    this.endTime = grant.endTime
    this.claims = recordOf(grant)
    this.delegable = (grant.flags & FLAG.DELEGABLE) !== 0
    this.passwordBased = (grant.flags & FLAG.PASSWORD) !== 0
    const key = deriveAuthKey(grant.key, [])
    this.#secrets = { sealed: decodeInnerTicket(grant.ticket.slice()), key, lifetime }
    Object.freeze(this)
  }

  static {
    secretsOf = ticket => {
      if (#secrets in ticket) return ticket.#secrets
      throw new OrthrusError('credential_invalid', 'this is no ticket of this client', { final: true })
    }
  }
}

/** Without a prototype: a claim may have any name. */
function recordOf({ claims }: Grant): ServiceTicket['claims'] {
  const record: Record<string, ClaimValue> = Object.create(null)
  for (const [name, value] of claims) record[name] = Array.isArray(value) ? Object.freeze([...value]) : value
  return Object.freeze(record)
}
