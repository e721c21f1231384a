import type { WireCode } from '../../shared/errors.js'
import type { Limits } from '../limits/defaults.js'

/** What a request was, by the type of its message, or the call of a channel. */
export const MEASURED_EXCHANGES = [
  'AS',
  'TGS',
  'PARAMS',
  'AP-OPEN',
  /** A call in a channel that is not about the revocation log. */
  'administration',
  /** A call of a follower of the revocation log. */
  'feed',
  /** A message of a type that the KDC does not answer. */
  'other',
] as const
export type MeasuredExchange = (typeof MEASURED_EXCHANGES)[number]

/** How it was answered: `ok`, or with this code. */
export type AnswerCode = 'ok' | WireCode

/** A limit that refuses with `rate_limited`, by its name in `Limits`, the rate of a rule of policy, or searches of the audit log. */
export type RequestLimit =
  | Extract<
      keyof Limits,
      | 'channels'
      | 'failedLogins'
      | 'failedLoginsPerAddress'
      | 'failedLoginsPerName'
      | 'params'
      | 'requestsPerClient'
      | 'feedCallsPerClient'
      | 'keyChangesPerClient'
      | 'actsPerOwner'
      | 'repeats'
    >
  | 'rule'
  | 'logSearches'

/**
 * What is counted of every request, besides the events: they tell what is worth a line in the log, and so neither of an
 * ordinary answer nor of the answers to repeats. A KDC that nobody measures has none of this.
 */
export interface Measures {
  /** @param milliseconds from when its frame was received until the operating system had the answer */
  answered(exchange: MeasuredExchange, code: AnswerCode, milliseconds: number): void
  /** A request was refused by this limit. */
  limited(limit: RequestLimit): void
}
