import type { NewInvitation } from '../../shared/administration/invitations.js'
import type { PolicyChange } from '../../shared/administration/policy-change.js'
import type { PrincipalLimits } from '../../shared/administration/principals.js'
import type { RealmSummary } from '../../shared/administration/realm.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal, RealmName } from '../../shared/principal.js'

/** One change to the realm, by the method that made it. */
export type RecordChange =
  | ({
      readonly method: 'add'
      readonly principal: Principal
      readonly kvno: number
      readonly passwordBased: boolean
    } & PrincipalLimits)
  | { readonly method: 'disable' | 'enable' | 'remove' | 'revoke-client'; readonly principal: Principal }
  | {
      readonly method: 'revoke-ticket'
      /** Not to be altered. */
      readonly ticketId: Uint8Array
      /** Whose ticket it is, if the administrator said so. */
      readonly principal: Principal | null
    }
  | {
      readonly method: 'revoke-key'
      readonly principal: Principal
      /** The newest kvno that was ended. */
      readonly kvno: number
    }
  /** A fresh key is current; null if the holder was asked for one. */
  | { readonly method: 'rotate'; readonly principal: Principal; readonly kvno: number | null }
  /** A fresh key is the only one, and what was older is revoked. */
  | {
      readonly method: 'replace-key' | 'new-password' | 'reset-password'
      readonly principal: Principal
      readonly kvno: number
    }
  /** Old keys of krbtgt or kdc were erased, because every ticket under them has ended. */
  | { readonly method: 'erase-keys'; readonly principal: Principal; readonly kvnos: readonly number[] }
  | { readonly method: 'set-realm'; readonly settings: RealmSummary }
  /** A key was staged, or became the current one because its holder logged in with it. */
  | { readonly method: 'next-key'; readonly principal: Principal; readonly kvno: number }
  | {
      readonly method: 'promote'
      readonly principal: Principal
      readonly kvno: number
      /** Which invitation handed the key out, if one did, and which address the host has logged in from. */
      readonly invitation?: Principal
      readonly address?: string
    }
  | ({ readonly method: 'invite'; readonly principal: Principal } & NewInvitation)
  | { readonly method: 'uninvite'; readonly principal: Principal; readonly used: number }
  /** Invitations were removed that had ended long ago. */
  | { readonly method: 'clear-invitations'; readonly principals: readonly Principal[] }
  /** Rules were removed that had ended long ago. */
  | {
      readonly method: 'clear-rules'
      readonly rules: readonly (readonly [client: string, service: string])[]
    }
  /** `principal` is who the host becomes with its first login. */
  | {
      readonly method: 'enrol'
      readonly principal: Principal
      readonly kvno: number
      readonly invitation: Principal
    }
  /** The realm gets another master key, or has it. */
  | {
      readonly method: 'rotate-master-key'
      readonly realm: RealmName
      readonly stage: 'begun' | 'finished'
    }
  | { readonly method: 'allow' | 'deny'; readonly rule: PolicyRule }
  | ({ readonly method: 'apply-policy' } & PolicyChange)
  | {
      readonly method: 'group-add' | 'group-remove'
      readonly group: Pattern
      /** Those that were put into it, or taken out. */
      readonly principals: readonly Principal[]
    }
  | { readonly method: 'forget'; readonly client: string; readonly service: string }
