import type { AuthKey, LongTermKey } from '../shared/crypto/keys.js'
import { isWireCode, OrthrusError, type WireCode } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import { createAuthenticatedError, createError, type ErrorContent } from '../shared/protocol/error.js'

/** How a failure is answered: few words to the other side, all of them in the log (docs/protocol.md section 3). */

/** A request whose MAC holds. */
export interface Proved {
  readonly key: LongTermKey | AuthKey
  readonly mac: Uint8Array
  /** KDC time, milliseconds. */
  readonly now: number
  /** For the log. */
  readonly about: object
}

/** Answers a proved request; whatever goes wrong is told by an authenticated ERROR. */
export async function answerProved(
  { key, mac, now, about }: Proved,
  logger: Logger,
  answer: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  try {
    return await answer()
  } catch (cause) {
    return createAuthenticatedError(key, mac, contentOf(cause, now, logger, about))
  }
}

/** Answers what nobody has proved. */
export function refuseUnproved(cause: unknown, now: number, logger: Logger, about: object): Uint8Array {
  return createError(contentOf(cause, now, logger, about))
}

function contentOf(cause: unknown, time: number, logger: Logger, about: object): ErrorContent {
  const code = reportFailure(cause, logger, about)
  const caveat = cause instanceof OrthrusError ? cause.facts.caveat : undefined
  return { code, time, floor: null, message: caveat === undefined ? '' : `caveat ${caveat}` }
}

/** Writes down why a request failed. @returns the code that the other side is told */
export function reportFailure(cause: unknown, logger: Logger, about: object): WireCode {
  if (!(cause instanceof OrthrusError)) {
    logger.error({ ...about, err: cause }, 'a request failed for a reason that nobody expected')
    return 'unavailable'
  }
  const code = isWireCode(cause.code) ? cause.code : 'unavailable'
  const { reason, facts } = cause
  if (code === 'unavailable') logger.error({ ...about, code, reason, ...facts, err: cause }, 'unavailable')
  else logger.warn({ ...about, code, reason, ...facts }, 'request refused')
  return code
}
