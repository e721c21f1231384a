import {
  decodeKvno,
  decodeOwnKeys,
  decodeStagedKey,
  type OwnKeys,
  type StagedKey,
} from '../../shared/administration/keys.js'
import type { OwnMethod } from '../../shared/administration/methods.js'
import { encodePasswordKey, type PasswordKey } from '../../shared/administration/principals.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { fields, numberOf } from '../../shared/encoding/fields.js'

/** Carries a principal's calls about itself over a channel to `kdc@realm` (docs/protocol.md section 9). */
export interface OwnTransport {
  call(method: OwnMethod, args: readonly Value[]): Promise<readonly Value[]>
}

/** The client's own keys at the KDC. @throws OrthrusError `not_authorized` if the login is more than 5 minutes old */
export async function ownKeys(transport: OwnTransport): Promise<OwnKeys> {
  return decodeOwnKeys(await transport.call('keys', []))
}

/**
 * Stages the key that follows the current one (section 12). Its holder derives it with `deriveNextKey`, writes it down,
 * and logs in with it, which makes it the current one.
 * @param kvno of the current key
 * @throws OrthrusError `malformed` if that is not the current key, or it comes from a password; `not_authorized` if
 * the login is more than 5 minutes old
 */
export async function stageNextKey(transport: OwnTransport, kvno: number): Promise<StagedKey> {
  return decodeStagedKey(await transport.call('next-key', [kvno]))
}

/**
 * The longest life of any ticket that the realm ever allowed, milliseconds. Since a key stopped sealing tickets, none
 * under it lives longer.
 */
export async function longestLife(transport: OwnTransport): Promise<number> {
  const [life] = fields(await transport.call('longest-life', []), 1)
  return numberOf(life)
}

/**
 * Sets another password of the client, in force at once (section 12). All its tickets end, those of this channel too.
 * @returns the kvno of the new key
 * @throws OrthrusError `malformed` if the client has no password; `not_authorized` if the login is more than 5 minutes
 * old
 */
export async function changePassword(transport: OwnTransport, password: PasswordKey): Promise<number> {
  return decodeKvno(await transport.call('new-password', encodePasswordKey(password)))
}
