import type { ErrorCode } from '../../shared/errors.js'
import { WIRE_CODES } from '../../shared/errors.js'
import { ANSWER_FATES, REQUEST_FATES } from './fates.js'

/** What must have happened so that runs without a failure prove something: each kind of harm, each row of the table. */

/** About how often things happen in 1,000 requests; a tenth of that is required. */
export const USUAL: Readonly<Record<string, number>> = {
  'a question to the KDC: lost': 12,
  'a question to the KDC: broken': 12,
  'a question to the KDC: late': 8,
  'a question to the KDC: twice': 12,
  'a question to the KDC: altered': 8,
  'a question to the KDC: answer altered': 8,
  'a question to the KDC: forged': 12,
  'a request of the past once more': 300,
  'a restart that the protocol does not allow': 1,
  'a step of milliseconds back': 4,
  'a step of milliseconds forth': 4,
  'a step of seconds or minutes back': 7,
  'a step of seconds or minutes forth': 7,
  'a step of hours back': 1.5,
  'a step of hours forth': 2,
  'it happened: a service restarts': 15,
  'it happened: nothing for long': 5,
  'it happened: the KDC is away': 5,
  'the KDC restarts': 1,
  'another key': 1,
  'the replay cache evicted': 0.5,
  'a ticket in its last seconds': 2,
  'with a ticket that was cut down': 45,
  'forged: plain 200': 8,
  'forged: redirect': 8,
  'forged: bare status': 8,
  'forged: made-up proof': 8,
  'forged: challenge alone': 8,
  'forged: 05 clock_skew, floor 2^53-1': 4,
  'the table: 06 clock_skew, at or below the floor, safe: a new request': 14,
  'the table: 06 clock_skew, at or below the floor, not safe: to the caller': 10,
  'the table: 06 clock_skew, too early, safe: a new request': 4,
  'the table: 06 clock_skew, too early, not safe: the same bytes': 0.5,
  'the table: 06 clock_skew, too early, not safe: to the caller': 4,
  'the table: 06 ticket_expired, safe: a new request': 12,
  'the table: 06 ticket_expired, not safe: to the caller': 6,
  'the table: 06 ticket_expired, not safe: a new request': 2,
  'the table: 05 ticket_invalid, safe: a new request': 10,
  'the table: 05 ticket_invalid, not safe: to the caller': 9,
  'the table: 06 ticket_not_yet_valid, safe: to the caller': 8,
  'the table: 06 ticket_not_yet_valid, not safe: to the caller': 6,
  'the table: 06 replay, safe: a new request': 3,
  'the table: 06 replay, not safe: to the caller': 4,
  'the table: 06 binding_mismatch, safe: to the caller': 8,
  'the table: 06 binding_mismatch, not safe: to the caller': 8,
  'the table: 06 caveat_failed, safe: to the caller': 0.2,
  'the table: 06 rate_limited, safe: to the caller': 0.1,
  'the table: 06 unavailable, safe: to the caller': 12,
  'the table: 06 unavailable, not safe: to the caller': 12,
  'told: it may have been handled, and it was': 160,
  ...each(namesOf(REQUEST_FATES), name => [`a request: ${name}`, 18]),
  ...each(namesOf(ANSWER_FATES), name => [`an answer: ${name}`, 18]),
  ...each(WIRE_CODES, code => [`forged: 05 ${code}`, 4]),
  ...each(WIRE_CODES.filter(isForTheCaller), code => [`the table: 05 ${code}, safe: to the caller`, 2]),
  ...each(WIRE_CODES.filter(isForTheCaller), code => [`the table: 05 ${code}, not safe: to the caller`, 1.5]),
}

/** The same where keys change. */
export const USUAL_WITH_KEYS: Readonly<Record<string, number>> = {
  'it happened: a holder is asked for another key': 50,
  'it happened: the tickets of a client are revoked': 35,
  'it happened: the KDC gets another key': 10,
  'it happened: a client restarts': 10,
  'it happened: hosts join': 10,
  'a host joins': 10,
  'revoked tickets are used where nothing was heard for too long': 3,
  'a revoked ticket is accepted, of which its service cannot know': 10,
  'a service refused: 06 revoked': 15,
  'the table: 06 revoked, safe: a new request': 6,
  'the table: 06 revoked, not safe: a new request': 6,
}

function isForTheCaller(code: ErrorCode): boolean {
  return code !== 'ticket_invalid'
}

function namesOf(weights: Readonly<Record<string, number>>): string[] {
  return Object.keys(weights)
}

function each(names: readonly string[], row: (name: string) => [string, number]): Record<string, number> {
  return Object.fromEntries(names.map(row))
}

/**
 * With few requests, only things that usually happen this often are required: rarer ones come in clusters or not at
 * all.
 */
const CERTAIN = 3
const MANY = 50_000

/** What happened too rarely in this many requests, and how often it should have. */
export function missing(
  counts: ReadonlyMap<string, number>,
  requests: number,
  usual: Readonly<Record<string, number>>,
): string[] {
  return Object.entries(usual)
    .map(([what, usual]) => ({ what, least: Math.floor((usual * requests) / 10_000) }))
    .filter(({ what, least }) =>
      least >= CERTAIN || requests > MANY ? (counts.get(what) ?? 0) < least : false,
    )
    .map(({ what, least }) => `${what}: ${counts.get(what) ?? 0}, not ${least}`)
}
