import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Principal } from '../../shared/principal.js'

/** The key that a client logs in with, and its kvno. 0 means the current password key (docs/protocol.md section 6). */
export interface LoginKey {
  readonly kvno: number
  readonly key: LongTermKey
}

/** The keys of one principal, the highest kvno first. */
export type OwnKeys = readonly [KeytabEntry, ...KeytabEntry[]]

/** The principal that a client logs in as, and the key that proves it. */
export interface Identity {
  readonly client: Principal
  readonly passwordBased: boolean
  /** The key to try first. */
  loginKey(): Promise<LoginKey>
  /** Called when the KDC has accepted the key and proved that it knows it too. */
  loggedIn(key: LoginKey): Promise<void>
  /**
   * Called when the KDC, or somebody in its place, answered that the key is wrong.
   * @param tried in this login
   * @returns another key that may be the right one
   */
  keyRefused(key: LoginKey, tried: ReadonlySet<LongTermKey>): Promise<LoginKey | undefined>
  /** Takes the keys that were just written to the keytab, if there is one. */
  hold?(keys: OwnKeys): void
}
