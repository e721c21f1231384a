import { TYPE } from '../../shared/constants.js'
import { decodeMacMessage, decodeMessage, messageType } from '../../shared/encoding/message.js'
import { decodeApRequest } from '../../shared/exchange/ap.js'
import { parseMessageHeader } from '../../shared/http/headers.js'
import { challengeIn } from '../support/challenge.js'

export const TOO_EARLY = '06 clock_skew, too early'
const BELOW = '06 clock_skew, at or below the floor'

/**
 * The type and code of the ERROR in an answer, such as `06 replay`, whether it is genuine or not. For a `clock_skew` it
 * tells which of the two kinds it is (docs/protocol.md section 8, "What the client does with an error"). It reads the
 * headers that the client gets, not the bytes: another reader would disagree with the client about an altered byte.
 */
export function refusalIn(headers: Headers, authorization: string): string | undefined {
  const { error } = challengeIn(headers.get('www-authenticate') ?? undefined) ?? {}
  if (error === undefined) return undefined
  try {
    return nameOf(error, authorization)
  } catch {
    return 'an ERROR of no form'
  }
}

function nameOf(error: Uint8Array, authorization: string): string {
  if (messageType(error) === TYPE.ERROR) return `05 ${decodeMessage(error, TYPE.ERROR)[0]}`
  const [code, , floor] = decodeMacMessage(error, TYPE.ERROR_AUTHENTICATED).body
  if (code !== 'clock_skew' || typeof floor !== 'number') return `06 ${code}`
  const request = decodeApRequest(TYPE.AP_REQ, parseMessageHeader(authorization) as Uint8Array)
  return request.time <= floor ? BELOW : TOO_EARLY
}
