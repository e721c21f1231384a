import type { KeyState } from '../../shared/administration/keys.js'
import type { PrincipalState } from '../../shared/administration/principals.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import type { PasswordParameters } from '../../shared/exchange/params.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'

/** What a KDC keeps of a principal. Its bytes, in the forms that there were, are in `principal-forms.ts`. */

export interface StoredKey {
  readonly kvno: number
  readonly key: LongTermKey
  readonly fromPassword: boolean
  readonly createdAt: number
  readonly state: KeyState
  /** Of an old key: when the last ticket under it has ended, and the key is erased. Otherwise null. */
  readonly endsAt: number | null
  /** Of a staged key: the invitation that staged it; null if the holder did so itself. Otherwise null. */
  readonly stagedBy: Principal | null
}

/** What an invitation is for (docs/protocol.md section 12). Its end is the principal's `expiresAt`. */
export interface Invitation {
  /** One principal, or `name/*`. */
  readonly target: Pattern
  readonly uses: number
  readonly used: number
  /** The principals that have a key of it with which nobody has logged in yet, the oldest first. */
  readonly staged: readonly Principal[]
  /** How long the principals that it makes exist, milliseconds; null for no end. */
  readonly principalsLife: number | null
  readonly lastUsedAt: number | null
  /** The address that last used it. */
  readonly lastUsedFrom: string | null
  /** The owner of the target who made it; null if an administrator did. */
  readonly invitedBy: Inviter | null
}

/** The owner of a service who made an invitation for it, and the series of tickets that the owner had then. */
export interface Inviter {
  readonly name: Principal
  readonly clientId: Uint8Array
}

/** A principal (docs/protocol.md section 1). */
export interface PrincipalRecord extends PrincipalState {
  readonly name: Principal
  /** 8 bytes: the present series of its tickets, drawn again whenever they are revoked (section 10). */
  readonly clientId: Uint8Array
  /** The newest first; at most one is current, and at most one next. */
  readonly keys: readonly StoredKey[]
  /** The highest kvno that the name ever had; 0 before the first. */
  readonly lastKvno: number
  readonly password: PasswordParameters | null
  /** The record of a removed name keeps `lastKvno`, so that kvnos do not restart when it is added again. */
  readonly removed: boolean
  /** When an administrator asked for a new key that the holder has not shown yet; otherwise null. */
  readonly rotationAskedAt: number | null
  readonly invitation: Invitation | null
  /**
   * The groups that it is in, in the order of their names. They stand here so that they end with the principal: one made
   * later under its name is in none.
   */
  readonly groups: readonly Pattern[]
}
