import { TYPE } from '../../shared/constants.js'
import { decodeMacMessage, decodeMessage, messageType } from '../../shared/encoding/message.js'
import { decodeApRequest } from '../../shared/exchange/ap.js'
import { parseMessageHeader } from '../../shared/http/headers.js'
import { challengeIn } from '../support/challenge.js'
import { headLength } from './wire.js'

export const TOO_EARLY = '06 clock_skew, too early'
const BELOW = '06 clock_skew, at or below the floor'

/**
 * The type and code of the ERROR in an answer, as `06 replay`, be it true or not; and of a `clock_skew` which of the
 * two kinds it is (docs/protocol.md section 8, "What the client does with an error").
 */
export function refusalIn(answer: Buffer, authorization: string): string | undefined {
  const head = answer.toString('latin1', 0, headLength(answer))
  const challenge = /^www-authenticate: (.*)\r$/im.exec(head)?.[1]
  if (challenge === undefined) return undefined
  try {
    const { error } = challengeIn(challenge) ?? {}
    return error && nameOf(error, authorization)
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
