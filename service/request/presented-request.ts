import { malformed } from '../../shared/errors.js'
import { coveredRequestValues } from '../../shared/http/binding.js'
import { furtherNames } from '../../shared/http/further-headers.js'
import { COVERED_REQUEST_HEADERS, ENCODING_HEADER, SEALED_ENCODING } from '../../shared/http/header-names.js'
import { parseMessageHeader } from '../../shared/http/headers.js'
import type { Header, RequestMessage } from './message.js'

/** The AP-REQ of a request, and everything that its binding covers except the body. */
export interface PresentedRequest {
  /** The AP-REQ. */
  readonly bytes: Uint8Array
  readonly method: string
  readonly target: string
  /** The values of the covered headers, as `coveredRequestValues` gives them. */
  readonly covered: readonly string[]
  /** The names of the further headers among them. */
  readonly further: readonly string[]
  readonly body: RequestMessage['body']
  /** Whether the body travels as records. */
  readonly isSealed: boolean
}

/**
 * `undefined` if the request has no credentials of this scheme.
 * @throws OrthrusError `too_large`; `malformed` also for a covered header that is doubled or empty, for a header that
 * makes frameworks take the request for another (docs/protocol.md section 8, HTTP binding), and for a body that
 * cannot be bound
 * @throws TypeError if the body was read by somebody else
 */
export function readPresentedRequest(message: RequestMessage): PresentedRequest | undefined {
  const { method, target, headers, body } = message
  const bytes = parseMessageHeader(authorizationOf(headers))
  if (bytes === undefined) return undefined
  const covered = coveredRequestValues(headers)
  body?.requireReadable()
  const isSealed = covered[ENCODING_PLACE] === SEALED_ENCODING
  return { bytes, method, target, covered, further: furtherNames(covered[FURTHER_PLACE]), body, isSealed }
}

const ENCODING_PLACE = COVERED_REQUEST_HEADERS.indexOf(ENCODING_HEADER)

/** Where the list of further headers stands, if there is one. */
const FURTHER_PLACE = COVERED_REQUEST_HEADERS.length

const AUTHORIZATION = 'authorization'

/** @throws OrthrusError `malformed` if there are several */
function authorizationOf(headers: readonly Header[]): string | undefined {
  let found: string | undefined
  for (const [name, value] of headers) {
    if (name.length !== AUTHORIZATION.length || name.toLowerCase() !== AUTHORIZATION) continue
    if (found !== undefined) throw malformed('the header Authorization twice')
    found = value
  }
  return found
}
