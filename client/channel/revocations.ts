import {
  decodeFollowers,
  decodeKeyRevoked,
  decodeRevoked,
  encodeFollowersQuestion,
  encodeTicketRevocation,
  type Followers,
  type FollowersQuestion,
  type KeyRevoked,
  type TicketRevocation,
} from '../../shared/administration/revocations.js'
import type { Principal } from '../../shared/principal.js'
import type { AdminTransport } from './transport.js'

/**
 * The methods of administration that revoke (docs/protocol.md section 10). Each returns the number of its entry in the
 * revocation log, for `followers`.
 */
export class Revocations {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  /** Ends all tickets that the principal has. It may log in again at once. */
  async client(principal: Principal): Promise<number> {
    return decodeRevoked(await this.#transport.call('revoke-client', [principal]))
  }

  /** Ends this one ticket, and nothing that was granted under it. */
  async ticket(revocation: TicketRevocation): Promise<number> {
    return decodeRevoked(await this.#transport.call('revoke-ticket', encodeTicketRevocation(revocation)))
  }

  /** Ends all keys of the principal, and all tickets for it or of it. A principal of the KDC gets a fresh key. */
  async key(principal: Principal): Promise<KeyRevoked> {
    return decodeKeyRevoked(await this.#transport.call('revoke-key', [principal]))
  }

  /** Who follows the log, once all that are connected have applied the entry, or the wait is over. */
  async followers(question: FollowersQuestion): Promise<Followers> {
    const args = encodeFollowersQuestion(question)
    return decodeFollowers(await this.#transport.call('followers', args, { wait: question.wait }))
  }
}
