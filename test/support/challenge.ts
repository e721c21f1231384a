import { type Challenge, parseChallenges } from '../../shared/http/headers.js'

/** The first challenge of this scheme in a value of `WWW-Authenticate`. */
export function challengeIn(value: string | undefined): Challenge | undefined {
  return parseChallenges(value ?? '')[0]
}
