import type { WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Refused } from './refuse.js'

/**
 * A request that was refused, for the error handling of an application. `status`, `statusCode`, `headers` and `expose` are
 * read by Express, Koa and others. `message` says no more than the client may know.
 */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused'
  /** Absent if the request came without credentials. */
  readonly code: WireCode | undefined
  readonly status: number
  readonly statusCode: number
  /** What the answer must have, whatever its body is: the header `www-authenticate` carries the proved ERROR. */
  readonly headers: Readonly<Record<string, string>>
  /** Whether the message may be shown, by the habit of these frameworks. */
  readonly expose: boolean
  readonly #refused: Refused

  constructor(refused: Refused) {
    const { code } = refused.refused
    super(code === undefined ? 'authentication required' : `the request was refused: ${code}`)
    const { status, headers } = refused.response
    this.code = code
    this.status = status
    this.statusCode = status
    this.headers = Object.freeze(Object.fromEntries(headers.filter(([name]) => KEPT.has(name))))
    this.expose = status < 500
    this.#refused = refused
  }

  /** For the service's log: it says more than the client may know, so it does not show in JSON or an inspection. */
  get reason(): string {
    return this.#refused.refused.reason
  }

  /** The principal that presented the request, if that was proved. */
  get presenter(): Principal | undefined {
    return this.#refused.refused.presenter
  }

  /** The body that `requireTicket` itself would answer with: text, of the type `text/plain; charset=utf-8`. */
  get body(): Uint8Array {
    return this.#refused.response.body
  }
}

/** The headers of a refusal that belong to the protocol, and those that keep others from storing it. */
const KEPT: ReadonlySet<string> = new Set(['www-authenticate', 'cache-control'])
