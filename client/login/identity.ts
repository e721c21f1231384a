import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Principal } from '../../shared/principal.js'

/** The key that a client logs in with, and its kvno. 0 means the current password key (docs/protocol.md section 6). */
export interface LoginKey {
  readonly kvno: number
  readonly key: LongTermKey
}

/** The principal that a client logs in as, and the key that proves it. */
export interface Identity {
  readonly client: Principal
  readonly passwordBased: boolean
  loginKey(): Promise<LoginKey>
  /** Called when the KDC has accepted the key and proved that it knows it too. */
  loggedIn(): Promise<void>
  /** Called when the KDC, or somebody in its place, answered that the key is wrong. */
  keyRefused(): void
}

/** @param keys the keys of one principal, the highest kvno first */
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
