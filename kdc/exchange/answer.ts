import type { AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import { createAuthenticatedError, createError, type ErrorContent } from '../../shared/encoding/error.js'
import { formatInvitationEnd } from '../../shared/encoding/invitation-end.js'
import { refusalId, refusalIdOf } from '../../shared/encoding/refusal-id.js'
import { formatRetryAfter } from '../../shared/encoding/retry-after.js'
import { OrthrusError, type WireCode, wireCodeOf } from '../../shared/errors.js'
import type { ExchangeContext } from '../realm/context.js'
import type { Origin } from '../report/events.js'
import { describeFailure } from '../report/failure.js'
import type { Report } from '../report/report.js'

/** How a failure is answered: the other side gets a code, the report gets everything (docs/protocol.md section 3). */

/** A request whose MAC was verified. */
export interface Proved {
  readonly key: LongTermKey | AuthKey
  readonly mac: Uint8Array
  /** KDC time, milliseconds. */
  readonly now: number
  readonly origin: Origin
}

/** Answers a proved request. Any failure is answered with an authenticated ERROR, and one too many in its turn. */
export async function answerProved<Answer>(
  { key, mac, now, origin }: Proved,
  { report, rates }: Pick<ExchangeContext, 'report' | 'rates'>,
  answer: () => Promise<Answer>,
): Promise<Answer | Uint8Array> {
  try {
    return await answer()
  } catch (cause) {
    const { client, address = '' } = origin
    if (isOneTooMany(cause)) await rates.turnOfRefused(origin.mayBeRepeat ? address : (client ?? address))
    return createAuthenticatedError(key, mac, contentOf(cause, now, report, origin, refusalId(mac)))
  }
}

/** Whether somebody asked more than one may. */
export function isOneTooMany(cause: unknown): boolean {
  return cause instanceof OrthrusError && cause.code === 'rate_limited'
}

/** Answers a request without a verified MAC: its ERROR cannot be authenticated. @param bytes the request */
export function answerUnproved(
  cause: unknown,
  now: number,
  report: Report,
  origin: Origin,
  bytes: Uint8Array,
): Uint8Array {
  return createError(contentOf(cause, now, report, origin, refusalIdOf(bytes)))
}

function contentOf(
  cause: unknown,
  time: number,
  report: Report,
  origin: Origin,
  id: string | null,
): ErrorContent {
  const code = reportFailure(cause, report, origin, id)
  return { code, time, floor: null, message: cause instanceof OrthrusError ? messageOf(cause) : '' }
}

/** The message of an ERROR: how long to wait, how an invitation ended, or which caveat failed; otherwise empty. */
function messageOf({ facts: { caveat, retryAfter, invitation } }: OrthrusError): string {
  if (invitation !== undefined) return formatInvitationEnd(invitation)
  if (retryAfter !== undefined) return formatRetryAfter(retryAfter)
  return caveat === undefined ? '' : `caveat ${caveat}`
}

/**
 * Reports why a request failed.
 * @param id of the refusal; null for a call in a channel
 * @returns the code to send to the other side
 */
export function reportFailure(cause: unknown, report: Report, origin: Origin, id: string | null): WireCode {
  const expected = cause instanceof OrthrusError
  const code = expected ? wireCodeOf(cause) : 'unavailable'
  if (expected && code !== 'unavailable') {
    report.tell({ kind: 'request_refused', id, origin, code, reason: cause.reason, facts: cause.facts })
  } else {
    const failure = describeFailure(cause)
    const { reason, facts } = expected ? cause : { reason: failure.message, facts: {} }
    report.tell({ kind: 'request_failed', id, origin, expected, reason, facts, failure })
  }
  return code
}
