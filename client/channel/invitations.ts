import {
  decodeEnrolled,
  decodeInvitationSummary,
  decodeMadeInvitation,
  type Enrolled,
  encodeNewInvitation,
  type InvitationSummary,
  type MadeInvitation,
  type NewInvitation,
} from '../../shared/administration/invitations.js'
import type { InvitationMethod } from '../../shared/administration/methods.js'
import { decodeRevoked } from '../../shared/administration/revocations.js'
import type { Value } from '../../shared/encoding/encoding.js'
import type { Principal } from '../../shared/principal.js'
import { pagesOf } from './pages.js'
import type { AdminTransport } from './transport.js'

/** The methods of administration for invitations (docs/protocol.md section 12). */
export class Invitations {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  /** Makes an invitation. The result is a secret, which is returned once. */
  async make(wanted: NewInvitation): Promise<MadeInvitation> {
    return decodeMadeInvitation(await this.#transport.call('invite', encodeNewInvitation(wanted)))
  }

  /** All invitations, in the order of their names, also for a day after they have ended. */
  list(): AsyncGenerator<InvitationSummary> {
    return pagesOf(this.#transport, 'invitations', decodeInvitationSummary, row => [row.invitation])
  }

  /**
   * Ends an invitation before its time.
   * @returns the number of the entry in the revocation log
   * @throws OrthrusError `unknown_service` if there is none of this name; `revoked` if it has ended already
   */
  async withdraw(invitation: Principal): Promise<number> {
    return decodeRevoked(await this.#transport.call('uninvite', [invitation]))
  }
}

/** Carries the call of an invitation over a channel to `kdc@realm` (docs/protocol.md section 9). */
export interface InvitationTransport {
  call(method: InvitationMethod, args: readonly Value[]): Promise<readonly Value[]>
}

/**
 * Asks, as an invitation, for a key. It becomes the principal's own with the first login under it.
 * @param instance of a fleet; null for one that the KDC draws
 * @throws OrthrusError `revoked` if the invitation has ended; `malformed` for an instance that cannot be had
 */
export async function enrol(transport: InvitationTransport, instance: string | null): Promise<Enrolled> {
  return decodeEnrolled(await transport.call('enrol', [instance]))
}
