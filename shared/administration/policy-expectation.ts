import { nearestOf } from '../options.js'
import { type Principal, principalIn, type RealmName } from '../principal.js'
import { isPlainPath } from '../ticket/caveat-path.js'
import type { Claims } from '../ticket/claims.js'
import { claimsOf, readClaim, readInstant } from './policy-text.js'

/** A line of a policy file that says what the rules must come to. */
export interface Expectation {
  readonly line: number
  /** As it was written. */
  readonly text: string
  readonly client: Principal
  readonly service: Principal
  readonly can: boolean
  /** What the ticket must have among its claims. */
  readonly claims: Claims
  /** The request that the ticket must be good for; null for any. */
  readonly request: { readonly method: string; readonly path: string } | null
  /** Whether the ticket must be one that can be handed on. */
  readonly delegable: boolean
  /** Milliseconds; null for the time of the test. */
  readonly at: number | null
}

const FORM = 'write "expect web can call orders" or "expect web cannot call orders"'
const CLAUSES = ['with', 'delegable', 'at']

/** @param words those after `expect` */
export function parseExpectation(words: readonly string[], realm: RealmName, line: number): Expectation {
  const [client, verb, call, service, ...rest] = words
  if (client === undefined || service === undefined || call !== 'call') throw new TypeError(FORM)
  if (verb !== 'can' && verb !== 'cannot') throw new TypeError(FORM)
  return {
    line,
    text: ['expect', ...words].join(' '),
    client: principalIn(realm, client),
    service: principalIn(realm, service),
    can: verb === 'can',
    ...clausesOf(rest),
  }
}

type Clauses = Pick<Expectation, 'claims' | 'request' | 'delegable' | 'at'>

/** `GET /orders/7`, `with role=reader`, `delegable` and `at 2027-01-31`, in any order. */
function clausesOf(words: readonly string[]): Clauses {
  const claims: ReturnType<typeof readClaim>[] = []
  let rest: Omit<Clauses, 'claims'> = { request: null, delegable: false, at: null }
  for (let i = 0; i < words.length; ) {
    const word = words[i++] ?? ''
    if (word === 'with') {
      const first = i
      while (i < words.length && (words[i] ?? '').includes('=')) claims.push(readClaim(words[i++] ?? ''))
      if (i === first) throw new TypeError('"with" needs a claim, as role=reader')
    } else if (word === 'delegable') rest = { ...rest, delegable: true }
    else if (word === 'at') rest = { ...rest, at: readInstant(words[i++] ?? '') }
    else if (/^[A-Z][A-Z0-9-]*$/.test(word))
      rest = { ...rest, request: { method: word, path: pathOf(words[i++]) } }
    else throw unknown(word)
  }
  return { claims: claimsOf(claims), ...rest }
}

function pathOf(word: string | undefined): string {
  if (word !== undefined && isPlainPath(word)) return word
  throw new TypeError('a method is followed by a path, as GET /orders/7')
}

function unknown(word: string): TypeError {
  const nearest = nearestOf(word, CLAUSES)
  const advice =
    nearest === undefined ? 'there is "GET /path", with, delegable and at' : `did you mean "${nearest}"?`
  return new TypeError(`unknown "${word.slice(0, 40)}"; ${advice}`)
}
