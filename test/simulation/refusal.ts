import { TYPE, WINDOW } from '../../shared/constants.js'
import { decodeMacMessage, decodeMessage, messageType } from '../../shared/encoding/message.js'
import type { ErrorCode } from '../../shared/errors.js'
import { type ApRequest, decodeApRequest } from '../../shared/exchange/ap.js'
import { parseMessageHeader } from '../../shared/http/headers.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { openTicket } from '../../shared/ticket/ticket.js'
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
  return requestIn(authorization).time <= floor ? BELOW : TOO_EARLY
}

/** A proved refusal with one of these codes comes from steps 5 to 10. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ticket_not_yet_valid',
  'caveat_failed',
  'delegation_invalid',
  'revoked',
  'binding_mismatch',
  'malformed',
  'too_large',
  'not_authorized',
])

/** What a service knew when it refused and proved it. */
export interface ProvedRefusal {
  readonly code: ErrorCode
  readonly authorization: string
  /** By the clock of the service, milliseconds. */
  readonly now: number
  readonly entries: readonly KeytabEntry[]
}

/**
 * Whether the service can never handle these bytes. `ticket_expired` comes from step 4 as well, from 5 s after the end
 * of the ticket on, and then a copy of the request may have been handled.
 */
export function isFinal({ code, authorization, now, entries }: ProvedRefusal): boolean {
  if (code !== 'ticket_expired') return FINAL.has(code)
  const { ticket } = requestIn(authorization)
  const entry = entries.find(({ kvno }) => kvno === ticket.kvno)
  if (entry === undefined) throw new Error(`no key ${ticket.kvno}, and yet the refusal was proved`)
  return now - openTicket(ticket, entry.key).endTime < WINDOW.EXPIRED_UNRECORDED
}

function requestIn(authorization: string): ApRequest {
  return decodeApRequest(TYPE.AP_REQ, parseMessageHeader(authorization) as Uint8Array)
}
