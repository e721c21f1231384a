import { WINDOW } from '../../shared/constants.js'
import type { WireError } from '../../shared/encoding/error.js'
import type { WireCode } from '../../shared/errors.js'
import { MINUTE, SECOND } from '../../shared/time.js'
import { STAMP_WAIT_MAX } from './service-times.js'

/** Decides what the client does about an error of a service (docs/protocol.md section 8), without side effects. */

/** A request that is not safe waits at most this long before it is sent again, milliseconds. */
const EARLY_WAIT_MAX = 10 * SECOND
/** A floor further ahead of the service's own clock than this is ignored as nonsense, milliseconds. */
const FLOOR_AHEAD_MAX = 10 * MINUTE

/** What the client knows about the refused request. */
export interface Refused {
  /** Its stamp, milliseconds. */
  readonly stamp: number
  /** The earliest end of the tickets presented, milliseconds. */
  readonly endTime: number
  /** True for GET, HEAD and OPTIONS, and if the caller said `repeatable`. */
  readonly safe: boolean
  /** Whether this is the first error of the request and its body can be sent again. */
  readonly resendable: boolean
}

export interface Answer {
  /** `renewed`: send a new AP-REQ. `same`: send the same bytes again. `caller`: throw the error. */
  readonly next: 'renewed' | 'same' | 'caller'
  /** How long to wait before sending again, milliseconds. */
  readonly wait: number
  /** Whether these bytes can never be handled: the code is proved and comes from step 5 or later. */
  readonly final: boolean
  /** Whether the time and floor of the error replace those kept for the service. */
  readonly keepTime: boolean
  /** Whether to replace the ticket, and whether the error that asks for it is proved. */
  readonly replace: 'no' | 'proved' | 'unproved'
}

const TO_CALLER: Answer = { next: 'caller', wait: 0, final: false, keepTime: false, replace: 'no' }

/** If one of these codes is proved, the same bytes were never handled and never will be (section 8, steps 5 to 10). */
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
      // The handler of a GET may have begun when its ticket was revoked, and of no other method is that said (section 10).
      return ofNoUse(refused, !refused.safe)
    case 'replay':
      // A gateway may have sent it twice. A safe request is sent once more, as new bytes.
      return { ...TO_CALLER, ...renewedIf(refused) }
    default:
      return { ...TO_CALLER, final: FINAL.has(error.code) }
  }
}

/**
 * Whether the service searched its replay cache before it refused. Long after the end of a ticket it refuses without
 * searching (step 4), and a copy of the request may have been handled while the ticket was valid.
 */
function wasLookedFor({ time }: WireError, { endTime }: Refused): boolean {
  return time - endTime < WINDOW.EXPIRED_UNRECORDED
}

/** Replaces the ticket. A final refusal means that nothing was handled, so the client may send a new request. */
function ofNoUse(refused: Refused, final: boolean): Answer {
  const next = renewedIf({ ...refused, safe: refused.safe || final })
  return { ...TO_CALLER, ...next, final, replace: 'proved' }
}

function renewedIf({ safe, resendable }: Pick<Refused, 'safe' | 'resendable'>): Pick<Answer, 'next'> {
  return { next: safe && resendable ? 'renewed' : 'caller' }
}

/** Anybody may have written this error, even after the service handled the request. */
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
