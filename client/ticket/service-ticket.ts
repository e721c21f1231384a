import { toHex } from '../../shared/bytes.js'
import { FLAG } from '../../shared/constants.js'
import { deriveAuthKey, startChain } from '../../shared/crypto/derive.js'
import type { Principal } from '../../shared/principal.js'
import type { ClaimValue } from '../../shared/ticket/claims.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeInnerTicket } from '../../shared/ticket/ticket.js'
import { notDelegable, Ticket } from './ticket.js'

export interface GrantedFor {
  readonly client: Principal
  /** What was asked for, milliseconds; 0 the most allowed. */
  readonly lifetime: number
  /** Whether it was granted under a TGT that another party handed on, so that this party knows its keys. */
  readonly imported: boolean
  readonly now: () => number
}

/** A ticket that the KDC granted to this client, and its details. Times are milliseconds of KDC time. */
export class ServiceTicket extends Ticket {
  /** Hex. */
  readonly ticketId: string
  readonly authTime: number
  readonly startTime: number
  /** The claims that policy gives the client, by name. */
  readonly claims: { readonly [name: string]: ClaimValue | undefined }
  /** Whether the client may hand it to another principal by name. */
  readonly delegable: boolean
  /** Whether the client logged in with a password. */
  readonly passwordBased: boolean
  /** What was asked for, milliseconds; 0 the most allowed. */
  readonly lifetime: number

  constructor(grant: Grant, { client, lifetime, imported, now }: GrantedFor) {
    const { service, endTime, key } = grant
    const secrets = { caveats: [], chain: startChain(key), key: deriveAuthKey(key, []) }
    const sealed = decodeInnerTicket(grant.ticket.slice())
    const ticketId = toHex(grant.ticketId)
    const facts = {
      service,
      client,
      ticketId,
      endTime,
      imported,
      serviceNamed: true,
      ownProved: !imported,
      now,
    }
    super(facts, { ...secrets, sealed })
    this.ticketId = ticketId
    this.authTime = grant.authTime
    this.startTime = grant.startTime
    this.claims = recordOf(grant)
    this.delegable = (grant.flags & FLAG.DELEGABLE) !== 0
    this.passwordBased = (grant.flags & FLAG.PASSWORD) !== 0
    this.lifetime = lifetime
    Object.freeze(this)
  }

  protected override requireDelegable(): void {
    super.requireDelegable()
    if (!this.delegable) throw notDelegable(this.client, this.service)
  }
}

/** The record has no prototype, because a claim may have any name. */
function recordOf({ claims }: Grant): ServiceTicket['claims'] {
  const record: Record<string, ClaimValue> = Object.create(null)
  for (const [name, value] of claims) record[name] = Array.isArray(value) ? Object.freeze([...value]) : value
  return Object.freeze(record)
}
