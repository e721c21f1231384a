import { WINDOW } from '../../shared/constants.js'
import type { WireError } from '../../shared/encoding/error.js'
import type { WireCode } from '../../shared/errors.js'
import { MINUTE, SECOND } from '../../shared/time.js'
import { STAMP_WAIT_MAX } from './service-times.js'

/** What the client does with an error of a service (docs/protocol.md section 8), as a function of values. */

/** A request that is no safe one waits at most this long to go out again, milliseconds. */
const EARLY_WAIT_MAX = 10 * SECOND
/** A floor further ahead of the service's own clock than this is nonsense, milliseconds. */
const FLOOR_AHEAD_MAX = 10 * MINUTE

/** What is known of the request that was refused. */
export interface Refused {
  /** Its stamp, milliseconds. */
  readonly stamp: number
  /** The earliest end of the tickets presented, milliseconds. */
  readonly endTime: number
  /** GET, HEAD, OPTIONS, and what the caller called repeatable. */
  readonly safe: boolean
  /** Whether this is the first error of the request and its body can be sent again. */
  readonly resendable: boolean
}

export interface Answer {
  /** `renewed`: as a new AP-REQ. `same`: the same bytes. `caller`: the error is the outcome. */
  readonly next: 'renewed' | 'same' | 'caller'
  /** How long to wait before that, milliseconds. */
  readonly wait: number
  /** That these bytes can never be handled: the code is of step 5 or later, and proved. */
  readonly final: boolean
  /** Whether the answer's time and floor replace those kept for the service. */
  readonly keepTime: boolean
  /** Whether the ticket is to be replaced, and on whose word. */
  readonly replace: 'no' | 'proved' | 'unproved'
}

const TO_CALLER: Answer = { next: 'caller', wait: 0, final: false, keepTime: false, replace: 'no' }

/** Proved codes of which the same bytes were never handled, nor will be (section 8, steps 5 to 10). */
const FINAL: ReadonlySet<WireCode> = new Set<WireCode>([
  'ticket_not_yet_valid',
  'delegation_invalid',
  'caveat_failed',
  'revoked',
  'binding_mismatch',
  'malformed',
  'too_large',
  'not_authorized',
])

export function answerTo(error: WireError, refused: Refused): Answer {
  if (!error.authenticated) return unproved(error.code, refused)
  switch (error.code) {
    case 'clock_skew':
      return skewed(error, refused)
    case 'ticket_expired':
      return ofNoUse(refused, wasLookedFor(error, refused))
    case 'revoked':
      return ofNoUse(refused, true)
    case 'replay':
      // A gateway may have asked twice: what does no harm twice is asked once more, as other bytes.
      return { ...TO_CALLER, ...renewedIf(refused) }
    default:
      return { ...TO_CALLER, final: FINAL.has(error.code) }
  }
}

/**
 * Long after a ticket's end a service refuses a request before it looks for it in its replay cache (step 4): a copy of
 * it may have been handled while the ticket was good.
 */
function wasLookedFor({ time }: WireError, { endTime }: Refused): boolean {
  return time - endTime < WINDOW.EXPIRED_UNRECORDED
}

/** The ticket is replaced. A request that was refused for good never was handled, so it may go out as a new one, safe or not. */
function ofNoUse(refused: Refused, final: boolean): Answer {
  const next = renewedIf({ ...refused, safe: refused.safe || final })
  return { ...TO_CALLER, ...next, final, replace: 'proved' }
}

function renewedIf({ safe, resendable }: Pick<Refused, 'safe' | 'resendable'>): Pick<Answer, 'next'> {
  return { next: safe && resendable ? 'renewed' : 'caller' }
}

/** Anybody may have written it, after the service handled the request. */
function unproved(code: WireCode, refused: Refused): Answer {
  if (code !== 'ticket_invalid') return TO_CALLER
  return { ...TO_CALLER, ...renewedIf(refused), replace: 'unproved' }
}

function skewed({ time, floor }: WireError, { stamp, safe, resendable }: Refused): Answer {
  if (floor === null || floor > time + FLOOR_AHEAD_MAX || floor >= Number.MAX_SAFE_INTEGER) return TO_CALLER
  const kept: Answer = { ...TO_CALLER, keepTime: true }
  if (!resendable) return kept
  if (safe) return after(kept, 'renewed', floor + 1 - WINDOW.SERVICE_FUTURE - time, STAMP_WAIT_MAX)
  // At or below the floor a copy of it may have been handled before.
  if (stamp <= floor) return kept
  return after(kept, 'same', stamp - WINDOW.SERVICE_FUTURE - time, EARLY_WAIT_MAX)
}

function after(kept: Answer, next: 'renewed' | 'same', wait: number, most: number): Answer {
  return wait > most ? kept : { ...kept, next, wait: Math.max(0, wait) }
}
