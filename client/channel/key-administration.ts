import {
  type DueKey,
  decodeDueKey,
  decodePasswordWasReset,
  decodeReplacedKey,
  decodeRotated,
  encodePasswordReset,
  type PasswordReset,
  type PasswordWasReset,
  type ReplacedKey,
} from '../../shared/administration/keys.js'
import type { Principal } from '../../shared/principal.js'
import { pagesOf } from './pages.js'
import type { AdminTransport } from './transport.js'

/** What administrators do about keys (docs/protocol.md section 12). */
export class KeyAdministration {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  /**
   * Gives krbtgt or kdc a fresh key at once; asks any other principal to change its own, which it does within a day.
   * @returns the kvno of the fresh key; null if the holder was asked
   */
  async rotate(principal: Principal): Promise<number | null> {
    return decodeRotated(await this.#transport.call('rotate', [principal]))
  }

  /**
   * After a theft: a fresh key, which is the principal's only one at once. Everything older is dead.
   * @returns the key, which nobody is told again
   */
  async replace(principal: Principal): Promise<ReplacedKey> {
    return decodeReplacedKey(await this.#transport.call('replace-key', [principal]))
  }

  /** Sets a person's password. Everything older is dead. */
  async resetPassword(reset: PasswordReset): Promise<PasswordWasReset> {
    return decodePasswordWasReset(await this.#transport.call('reset-password', encodePasswordReset(reset)))
  }

  /** Principals whose key is due to change, in the order of their names. */
  due(): AsyncGenerator<DueKey> {
    return pagesOf(this.#transport, 'due', decodeDueKey, row => [row.principal])
  }
}
