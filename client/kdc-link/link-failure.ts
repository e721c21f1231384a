import { FAILURE_CAUSES } from '#websocket'
import { OrthrusError, type WireCode } from '../../shared/errors.js'
import { shownFailure } from '../../shared/shown-failure.js'
import { shownUrl } from '../../shared/shown-url.js'
import { CHECK, MAYBE_OTHER_VERSION } from './kdc-hints.js'
import type { FailureCause } from './socket.js'

const OTHER_VERSION: FailureCause = {
  pattern: /subprotocol|does not speak/,
  told: 'a WebSocket server answers there, but no KDC of this version',
  hint: 'check the URL, and the version of the KDC',
}

/** The cause of a failed connection that any server can have. @param reason as the platform reports it */
export function networkCause(reason: string): FailureCause | undefined {
  return FAILURE_CAUSES.any.find(({ pattern }) => pattern.test(reason))
}

/** The error for a KDC that cannot be reached, with the next step. @param reason as the platform reports it */
export function unreachable(url: string, reason: string): OrthrusError {
  const causes = [...FAILURE_CAUSES.any, ...FAILURE_CAUSES.kdc, OTHER_VERSION]
  const cause = causes.find(({ pattern }) => pattern.test(reason))
  const shown = shownFailure(reason)
  const told = cause === undefined ? shown : `${cause.told}: ${shown}`
  const kdc = shownUrl(url)
  return new OrthrusError('unavailable', `the KDC at ${kdc} cannot be reached: ${told}`, {
    kdc,
    hint: cause?.hint ?? CHECK,
  })
}

/** Whether a KDC cannot be reached because it may be of another version. @param failure made by `unreachable` */
export function isOtherVersion({ reason }: OrthrusError): boolean {
  return [OTHER_VERSION, MAYBE_OTHER_VERSION].some(({ told }) => reason.includes(told))
}

/** The error for a KDC that shows no sign of life. @param milliseconds how long it was waited for */
export function silent(url: string, milliseconds: number): OrthrusError {
  return unreachable(url, `no answer within ${milliseconds} ms`)
}

/** The error for a KDC that is left because of what it says, or what somebody says in its name. */
export function said(code: WireCode): OrthrusError {
  return new OrthrusError('unavailable', `it answers ${code}`, { hint: "look at the KDC's log" })
}

/** One error for several KDCs. @param failures none if no KDC is known */
export function combine(failures: readonly OrthrusError[]): OrthrusError {
  const [first] = failures
  if (first === undefined || failures.length === 1) return first ?? unreachable('no URL', 'none is known')
  const reason = [...new Set(failures.map(failure => failure.reason))].join('; ')
  const { hint } = first.facts
  return new OrthrusError('unavailable', reason, hint === undefined ? {} : { hint })
}
