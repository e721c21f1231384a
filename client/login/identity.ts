import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Principal } from '../../shared/principal.js'

/** The key under which a client asks, with its kvno; 0 means the current password key (docs/protocol.md section 6). */
export interface LoginKey {
  readonly kvno: number
  readonly key: LongTermKey
}

/** Who a client is and how it proves that. */
export interface Identity {
  readonly client: Principal
  readonly passwordBased: boolean
  loginKey(): Promise<LoginKey>
  /** The KDC has accepted the key and proved that it has it too. */
  loggedIn(): Promise<void>
  /** The KDC, or somebody in its place, answered as to a wrong key. */
  keyRefused(): void
}

/** @param keys of one principal, the highest kvno first. */
export function keytabIdentity(keys: readonly [KeytabEntry, ...KeytabEntry[]]): Identity {
  const [{ principal, kvno, key }] = keys
  return {
    client: principal,
    passwordBased: false,
    loginKey: async () => ({ kvno, key }),
    loggedIn: async () => {},
    keyRefused: () => {},
  }
}
