import type { AuthKey } from '../../shared/crypto/keys.js'
import type { WireError } from '../../shared/encoding/error.js'
import type { ApRequest, ApType } from '../../shared/exchange/ap.js'
import type { Principal } from '../../shared/principal.js'
import type { Span } from '../kdc-link/kdc-clock.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'
import type { Ticket } from '../ticket/ticket.js'

/** A request to a service as values: what is asked for, what is sent, and what comes back. */

/** The MAC key and the nonce of a request that is not bound yet. */
export interface RequestSecrets {
  readonly key: AuthKey
  readonly nonce: Uint8Array
}

/** The binding that the AP-REQ covers, and the headers that were added to the request for it. */
export interface Bound {
  readonly binding: Uint8Array
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** An AP-REQ or AP-OPEN as it is sent, with what is needed to check its answer. */
export interface Presented extends Bound {
  readonly service: Principal
  /** This client's own ticket, from the cache. Undefined if another party's ticket is presented alone. */
  readonly own: ServiceTicket | undefined
  readonly key: AuthKey
  readonly request: ApRequest
  /** Headers that carry a trace on. Nothing covers them. */
  readonly trace?: readonly (readonly [name: string, value: string])[]
}

/** An ERROR of the service, or one that claims to be, and when it came. */
export interface ErrorAnswer {
  readonly error: WireError
  readonly span: Span
  /** The URL of the KDC that gave it, if it is about a channel to one. */
  readonly kdc?: string
}

export interface Presenting<T extends object> {
  readonly service: Principal
  /** Used instead of the ticket from the cache. */
  readonly ticket: Ticket | undefined
  readonly type: ApType
  /** As events name it: `CHANNEL` for the opening of one. */
  readonly method: string
  /** Where it goes, as events name it. */
  readonly origin?: string
  /** The target as on the request line. The hint of a refusal may mention it. */
  readonly target?: string
  bind(secrets: RequestSecrets): Bound
  /** Whether it does no harm if the request is handled twice (docs/protocol.md section 8). */
  readonly safe: boolean
  /** Whether the bytes can be sent a second time. Default true. */
  readonly resendable?: boolean
  /** Whether the request or its answer may take long, so that a ticket near its end is replaced first. Default false. */
  readonly lasting?: boolean
  readonly signal?: AbortSignal
  /** What events say of an answer. Default: that it is proved. */
  answered?(answer: T): { readonly status: number; readonly proved: boolean }
  /** Sends the bytes. @returns the proved answer, or the ERROR */
  send(presented: Presented): Promise<T | ErrorAnswer>
}
