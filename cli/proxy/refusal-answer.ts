import { type ErrorCode, OrthrusError } from '../../shared/errors.js'
import { printableLine } from '../../shared/printable.js'
import { SECOND } from '../../shared/time.js'
import type { Fault } from './faults.js'

/** What a program is told in place of an answer that was not proved, or that there is none. */

/** What the program's own principal may not do; all else is a fault of somebody else's, or of nobody's. */
const FORBIDDEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'policy_denied',
  'not_authorized',
  'caveat_failed',
  'delegation_invalid',
  'revoked',
  'principal_disabled',
  'unknown_service',
])

/** What will be well by itself, or once something runs again. */
const LATER: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['unavailable', 'clock_skew', 'ticket_expired'])

function statusOf(code: ErrorCode): number {
  if (FORBIDDEN.has(code)) return 403
  if (LATER.has(code)) return 503
  if (code === 'rate_limited') return 429
  return code === 'too_large' ? 413 : 502
}

/** What the message leaves open of whether the request was handled. */
function handledBy(message: string): string {
  if (message.includes('may have been handled')) return ''
  return message.includes('nothing was sent on this attempt')
    ? '; if it was sent before, it may have been handled then'
    : '; the request may have been handled'
}

/**
 * @param cause what `Realm.fetch` or `Realm.openChannel` threw
 * @param wasSent whether it may have been handled, for all that the client knows
 */
export function refusalAnswer(cause: unknown, wasSent = true): Fault {
  if (cause instanceof OrthrusError) {
    const { code, final, message, facts } = cause
    const status = statusOf(code)
    const text = `${printableLine(message)}${final || !wasSent ? '; it was not handled' : handledBy(message)}`
    const wait = facts.retryAfter === undefined ? 1 : Math.max(1, Math.ceil(facts.retryAfter / SECOND))
    const headers = status === 429 || status === 503 ? { 'retry-after': String(wait) } : {}
    return { status, word: code, text, headers }
  }
  // A request that nobody could send: `fetch` says what is wrong with it.
  const text =
    cause instanceof TypeError ? printableLine(cause.message) : 'an unexpected failure, which the log has'
  return { status: cause instanceof TypeError ? 400 : 500, word: 'request_wrong', text }
}
