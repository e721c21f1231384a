import type { AuthKey } from '../crypto/keys.js'
import { createAuthenticatedError, createError } from '../encoding/error.js'
import { OrthrusError, type WireCode, wireCodeOf } from '../errors.js'
import type { Principal } from '../principal.js'

/**
 * The refusal of a request. `reply` is the ERROR that answers it. The message is for the service's own log and says
 * more than the reply.
 */
export class Refusal extends OrthrusError {
  readonly reply: Uint8Array
  readonly authenticated: boolean
  /** The principal that presented the request, if its MAC was right. */
  readonly presenter: Principal | undefined

  constructor(cause: OrthrusError, reply: Uint8Array, authenticated: boolean, presenter?: Principal) {
    super(cause.code, cause.reason, { final: cause.final, cause, ...cause.facts })
    this.reply = reply
    this.authenticated = authenticated
    this.presenter = presenter
  }

  /** The code that the reply carries. */
  get wireCode(): WireCode {
    return wireCodeOf(this)
  }
}

/** Refuses a request that was not proved, with type 05. Anything but an OrthrusError is returned unchanged. */
export function refuseUnproved(cause: unknown, now: number): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  return new Refusal(cause, createError({ ...toldOf(cause), time: now, floor: null }), false)
}

export interface ProvedRequest {
  readonly key: AuthKey
  readonly mac: Uint8Array
  readonly presenter: Principal
  /** Milliseconds. */
  readonly now: number
  /** Sent with a `clock_skew`. */
  readonly floor: number | null
}

/** Refuses a request whose MAC was right, with type 06. Anything but an OrthrusError is returned unchanged. */
export function refuseProved(cause: unknown, { key, mac, presenter, now, floor }: ProvedRequest): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  const content = { ...toldOf(cause), time: now, floor: cause.code === 'clock_skew' ? floor : null }
  return new Refusal(cause, createAuthenticatedError(key, mac, content), true, presenter)
}

/** What the other side may know: the code and, if one of its own caveats failed, the caveat's name. */
function toldOf(cause: OrthrusError): { code: WireCode; message: string } {
  const { caveat } = cause.facts
  return { code: wireCodeOf(cause), message: caveat === undefined ? '' : `caveat ${caveat}` }
}
