import type { WireCode } from '../errors.js'
import type { Principal, RealmName } from '../principal.js'

/** The channel of `node:diagnostics_channel` on which a KDC tells of each login and each question for tickets. */
export const KDC_EXCHANGES = 'orthrus:kdc:exchange'

/** An exchange that a KDC has answered. It has no key, no nonce, and no name that was only claimed. */
export interface KdcExchangeEvent {
  readonly kind: 'exchange'
  readonly realm: RealmName
  /** AS: a login, with the tickets that it brings. TGS: a question for tickets. */
  readonly exchange: 'AS' | 'TGS'
  /** The address that limits count. */
  readonly from: string
  /** Who asked; undefined if no key was proved. */
  readonly client: Principal | undefined
  /** What was granted, in the order of the answer. */
  readonly tickets: readonly { readonly service: Principal; readonly ticketId: string }[]
  /** What was denied in a request that was answered otherwise. */
  readonly denied: readonly { readonly service: Principal; readonly code: WireCode }[]
  /** How the whole request was answered. */
  readonly code: 'ok' | WireCode
  /** Why it was refused, for people. */
  readonly reason: string | undefined
  /** The id of the refusal, as the client knows it too; `orthrus admin why --id` tells more. */
  readonly refusal: string | undefined
  /** When it was received, by the KDC's clock, milliseconds. */
  readonly start: number
  /** Until its answer was made, milliseconds. */
  readonly duration: number
}
