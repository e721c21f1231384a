import { hintFrom } from '#hints'
import { OrthrusError } from '../../shared/errors.js'
import { furtherNames } from '../../shared/http/further-headers.js'
import { FURTHER_HEADER } from '../../shared/http/header-names.js'
import type { Principal } from '../../shared/principal.js'

/** What becomes of an answer once it is judged: a response for the caller, or the error. */

/**
 * A response that the service has proved: read whole, or, if it is sealed, proved piece by piece as it is read. Only at an
 * origin that `allowUnprotected` names it may be one that nothing proves.
 */
export interface RealmResponse extends Response {
  /**
   * The further headers that the proof covers, in lower case: what the service's `coverResponseHeaders` names. One that
   * the response lacks is proved to be missing. A clone of the response has no such list.
   */
  readonly covered: readonly string[]
  /**
   * Whether it is proved. False only for one that `allowUnprotected` of `connect` let pass: anybody may have written it. A
   * clone of the response does not say.
   */
  readonly proved: boolean
}

/** Statuses with which a `Response` cannot be made with a body. */
export const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/** Builds the response from what was read. The status text is left out because no proof covers it. */
export function handOut(
  { status, headers }: Pick<Response, 'status' | 'headers'>,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null,
  url: URL,
  isProved = true,
): RealmResponse {
  const proved = new Response(body, { status, headers })
  Object.defineProperty(proved, 'url', { value: url.href, enumerable: true })
  const covered = furtherNames(headers.get(FURTHER_HEADER))
  Object.defineProperty(proved, 'covered', { value: covered, enumerable: true })
  Object.defineProperty(proved, 'proved', { value: isProved, enumerable: true })
  return proved as RealmResponse
}

export function unproved(service: Principal, reason: string, hint: string): OrthrusError {
  return new OrthrusError(
    'response_unproved',
    `nothing proves that the response is from ${service}: ${reason}`,
    {
      service,
      hint: `the request may have been handled; ${hint}`,
    },
  )
}

/** @param what of the response is not what was proved */
export async function changed(service: Principal, what: string): Promise<OrthrusError> {
  const hint = await hintFrom(hints => hints.CHANGED_HINT)
  return unproved(service, `${what} are not those that the service sent`, hint)
}
