import type { AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import { createAuthenticatedError, createError, type ErrorContent } from '../../shared/encoding/error.js'
import { isWireCode, OrthrusError, type WireCode } from '../../shared/errors.js'
import { type About, logRefusal, type Where } from '../report/refusal-log.js'

/** How a failure is answered: few words to the other side, all of them in the log (docs/protocol.md section 3). */

/** A request whose MAC holds. */
export interface Proved {
  readonly key: LongTermKey | AuthKey
  readonly mac: Uint8Array
  /** KDC time, milliseconds. */
  readonly now: number
  /** For the log. */
  readonly about: About
}

/** Answers a proved request; whatever goes wrong is told by an authenticated ERROR. */
export async function answerProved(
  { key, mac, now, about }: Proved,
  where: Where,
  answer: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  try {
    return await answer()
  } catch (cause) {
    return createAuthenticatedError(key, mac, await contentOf(cause, now, where, about))
  }
}

/** Answers what nobody has proved. */
export async function refuseUnproved(
  cause: unknown,
  now: number,
  where: Where,
  about: About,
): Promise<Uint8Array> {
  return createError(await contentOf(cause, now, where, about))
}

async function contentOf(cause: unknown, time: number, where: Where, about: About): Promise<ErrorContent> {
  const code = await reportFailure(cause, where, about)
  const caveat = cause instanceof OrthrusError ? cause.facts.caveat : undefined
  return { code, time, floor: null, message: caveat === undefined ? '' : `caveat ${caveat}` }
}

/** Writes down why a request failed. @returns the code that the other side is told */
export async function reportFailure(cause: unknown, where: Where, about: About): Promise<WireCode> {
  if (!(cause instanceof OrthrusError)) {
    await logRefusal(
      where,
      'error',
      about,
      { err: cause },
      'a request failed for a reason that nobody expected',
    )
    return 'unavailable'
  }
  const code = isWireCode(cause.code) ? cause.code : 'unavailable'
  const { reason, facts } = cause
  if (code === 'unavailable') {
    await logRefusal(where, 'error', about, { code, reason, ...facts, err: cause }, 'unavailable')
  } else {
    await logRefusal(where, 'warn', about, { code, reason, ...facts }, 'request refused')
  }
  return code
}
