import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { createApReply } from '../../shared/exchange/ap.js'
import {
  type CoveredBody,
  type HeaderPairs,
  hasBody,
  RECORDS,
  responseBinding,
} from '../../shared/http/binding.js'
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
export function proveResponse(response: UnprovedResponse, options: ProofOptions): Header {
  const body = hasBody(options.method, response.status) ? response.body : NO_BODY
  return proofOf(createReply(response, body, options))
}

/** The proof of a response whose body is sealed. */
export interface RecordsProof {
  readonly proof: Header
  /** The AP-REP, which the key of the body depends on. */
  readonly reply: Uint8Array
}

/**
 * As `proveResponse`, for a body that travels as records (section 8, Sealed bodies).
 * @throws OrthrusError `malformed`
 */
export function proveRecords(head: Omit<UnprovedResponse, 'body'>, options: ProofOptions): RecordsProof {
  const reply = createReply(head, RECORDS, options)
  return { proof: proofOf(reply), reply }
}

function createReply(
  { status, headers }: Omit<UnprovedResponse, 'body'>,
  body: CoveredBody,
  { verified, time }: ProofOptions,
): Uint8Array {
  const binding = responseBinding(status, headers, body)
  return createApReply(verified.key, verified.request.mac, { time, binding })
}

function proofOf(reply: Uint8Array): Header {
  return ['authentication-info', formatMessageHeader(reply)]
}
