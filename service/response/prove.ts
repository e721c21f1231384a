import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { createApReply } from '../../shared/exchange/ap.js'
import { type HeaderPairs, hasBody, responseBinding } from '../../shared/http/binding.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import type { Header } from '../request/message.js'

/** A response as it will go out. */
export interface UnprovedResponse {
  readonly status: number
  /** As the client will see them: one pair for each line. */
  readonly headers: HeaderPairs
  /** Ignored if `hasBody` says that such a response has none. */
  readonly body: Uint8Array
}

export interface ProofOptions {
  /** Of the request. */
  readonly method: string
  readonly verified: VerifiedRequest
  /** The service's clock, milliseconds. */
  readonly time: number
}

const NO_BODY = new Uint8Array()

/**
 * The header that proves a response: an AP-REP over status, covered headers and body (docs/protocol.md section 8).
 * @throws OrthrusError `malformed` if a covered header is doubled or empty
 */
export function proveResponse(
  { status, headers, body }: UnprovedResponse,
  { method, verified, time }: ProofOptions,
): Header {
  const binding = responseBinding(status, headers, hasBody(method, status) ? body : NO_BODY)
  const reply = createApReply(verified.key, verified.request.mac, { time, binding })
  return ['authentication-info', formatMessageHeader(reply)]
}
