import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { StreamSealer } from '../../shared/channel/sealed-stream.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { mayBeSealed } from '../../shared/http/binding.js'
import { ACCEPT_HEADER, ACCEPTS_RECORDS } from '../../shared/http/header-names.js'
import type { RequestMessage } from '../request/message.js'

/** Which responses are sealed (docs/protocol.md section 8, Sealed bodies). */

/** Whether the client reads a sealed response with this status. */
export function acceptsSealed({ method, headers }: RequestMessage, status: number): boolean {
  return mayBeSealed(method, status) && headers.some(isAcceptance)
}

function isAcceptance([name, value]: RequestMessage['headers'][number]): boolean {
  return (
    name.length === ACCEPT_HEADER.length && name.toLowerCase() === ACCEPT_HEADER && value === ACCEPTS_RECORDS
  )
}

/** Whether the client reads no response but a sealed one. @param covered what the request covers beside the usual */
export function insistsOnSealed(covered: readonly string[]): boolean {
  return covered.length > 0 && covered.includes(ACCEPT_HEADER)
}

/** @param reply the AP-REP of the response */
export function responseSealer({ key, request }: VerifiedRequest, reply: Uint8Array): StreamSealer {
  return new StreamSealer(
    { key, direction: 'service-to-client', messages: [request.bytes, reply] },
    systemRandom,
  )
}
