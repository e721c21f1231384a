import { LIMIT, SIZE } from '../../shared/constants.js'
import { encodeScratch } from '../../shared/encoding/encoding.js'
import { HEADER_BYTES } from '../../shared/encoding/message.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { encodeGrant, type Grant } from '../../shared/ticket/grant.js'

/** Bytes of every reply besides grants and denials: header, seal, the list, the time, and the heads of two lists. */
const REPLY_BYTES = HEADER_BYTES + SIZE.SEAL_NONCE + SIZE.TAG + 1 + 9 + 3 + 3

/** The most bytes of a grant besides its ticket, its service and its claims, which are in the ticket too. */
const GRANT_BYTES = 256

/** An upper bound of a grant's bytes that is known without encoding it. */
function boundOf({ ticket, service }: Grant): number {
  return 2 * ticket.length + service.length + GRANT_BYTES
}

/**
 * Counts the bytes of a reply. Room for a denial of every requested service is reserved, so a reply never overflows.
 */
export class ReplySpace {
  readonly #room: number
  readonly #grants: Grant[] = []
  /** An upper bound of the bytes of the grants so far. */
  #taken = 0

  constructor(services: readonly Principal[]) {
    const denials = services.reduce((sum, service) => sum + denialBytes(service), 0)
    this.#room = LIMIT.MESSAGE_BYTES - REPLY_BYTES - denials
  }

  /** @throws OrthrusError `too_large` if the grant does not fit beside the others */
  take(grant: Grant): void {
    const bound = this.#taken + boundOf(grant)
    const taken = bound <= this.#room ? bound : bytesOf([...this.#grants, grant])
    if (taken > this.#room) throw new OrthrusError('too_large', 'the reply has no room for another ticket')
    this.#grants.push(grant)
    this.#taken = taken
  }
}

function bytesOf(grants: readonly Grant[]): number {
  return grants.reduce((sum, grant) => sum + encodeScratch(encodeGrant(grant)).length, 0)
}

/** A list of two, the head of a name, and the longest code of a denial. */
const DENIAL_BYTES = 1 + 3 + 1 + 'unknown_service'.length

function denialBytes(service: Principal): number {
  return DENIAL_BYTES + service.length
}
