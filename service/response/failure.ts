import { hasBody } from '../../shared/http/binding.js'

/** Why a handler's response cannot be sent, and what its client gets instead. */

export interface Failure {
  readonly reason: string
  readonly hint?: string
  /** What the handler threw. */
  readonly err?: unknown
}

/** The body, and its type, of the 500 that is sent in place of a response that cannot be. */
export const FAILED = Buffer.from('internal error\n')
export const FAILED_TYPE = 'text/plain; charset=utf-8'

/** A response of more than `maxResponse` bytes. */
export function overflow(maxResponse: number): Failure {
  return {
    reason: `the response is larger than ${maxResponse} bytes`,
    hint: `larger ones need requireTicket({ maxResponse }), now ${maxResponse}: a response is kept whole until it is proved`,
  }
}

export interface ResponseShape {
  readonly status: number
  /** Of the body, bytes. */
  readonly length: number
  /** What the header `content-length` says. */
  readonly announced: string | undefined
  readonly hasTrailers: boolean
}

/** Why a response with this `content-encoding` cannot be sealed. */
export function encodedFault(encoding: unknown): string | undefined {
  if (encoding === undefined) return undefined
  return 'it has a content-encoding, and a sealed response has no other than its own'
}

/** Why the client could not check such a response to a request of this method, or would take it for another one. */
export function responseFault(
  method: string,
  { status, length, announced, hasTrailers }: ResponseShape,
): string | undefined {
  // Clients wait for more after a 1xx, and the `fetch` of the platform has no response with a status over 599.
  if (status < 200 || status > 599) return `the status is ${status}, and a response has one from 200 to 599`
  if (status === 205 && length > 0) return 'a 205 has a body, which clients do not read'
  if (hasTrailers) return 'trailers, which nothing covers'
  if (hasBody(method, status) && announced !== undefined && Number(announced) !== length) {
    return `content-length is ${announced}, the body has ${length} bytes`
  }
  return undefined
}
