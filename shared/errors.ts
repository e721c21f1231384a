import { withoutSecrets } from './shown-text.js'

/** Codes that are sent to the other side (docs/protocol.md section 11): a closed set. */
export const WIRE_CODES = [
  'malformed',
  'unsupported_version',
  'too_large',
  'auth_failed',
  'clock_skew',
  'ticket_invalid',
  'ticket_expired',
  'ticket_not_yet_valid',
  'not_renewable',
  'revoked',
  'principal_disabled',
  'policy_denied',
  'unknown_service',
  'caveat_failed',
  'delegation_invalid',
  'not_authorized',
  'binding_mismatch',
  'replay',
  'rate_limited',
  'unavailable',
] as const
export type WireCode = (typeof WIRE_CODES)[number]

/** Codes that a party reports only to its own caller and never sends (section 11). */
export const LOCAL_CODES = [
  'response_unproved',
  'keytab_invalid',
  'login_invalid',
  'credential_invalid',
  'channel_broken',
  'password_wrong',
  'refused_unproved',
  'realm_mismatch',
] as const
export type LocalCode = (typeof LOCAL_CODES)[number]

export type ErrorCode = WireCode | LocalCode

const wireCodes: ReadonlySet<string> = new Set(WIRE_CODES)

export function isWireCode(text: string): text is WireCode {
  return wireCodes.has(text)
}

/** The code to send for a failure: its own if that may be sent, otherwise `unavailable`. */
export function wireCodeOf({ code }: OrthrusError): WireCode {
  return isWireCode(code) ? code : 'unavailable'
}

/** Whether the same request may succeed later, or may already have been carried out. */
export function isTransient(code: WireCode): boolean {
  return code === 'clock_skew' || code === 'rate_limited' || code === 'unavailable'
}

/** How an invitation ended, as whoever holds its code is told (docs/protocol.md section 12). */
export interface InvitationEnd {
  readonly how: 'used' | 'withdrawn' | 'expired'
  /** Milliseconds, KDC time. */
  readonly at: number
  /** The address that used it. */
  readonly from: string | null
}

/** What a person needs in order to understand a failure. Never a secret. */
export interface ErrorFacts {
  readonly principal?: string
  readonly service?: string
  /** The URL of the KDC that refused, or could not be reached. Where none of several could be, the message names each. */
  readonly kdc?: string
  readonly kvno?: number
  /** What was expected and what was found: times in milliseconds, or names. */
  readonly expected?: string | number
  readonly actual?: string | number
  /** The code that an unauthenticated answer gave (`refused_unproved`). */
  readonly claimed?: WireCode
  /** The answering side's clock and floor, in milliseconds (`clock_skew`). */
  readonly time?: number
  readonly floor?: number | null
  /** How long to wait before the next attempt, milliseconds (`rate_limited`). */
  readonly retryAfter?: number
  /** The id of the refusal, which its log names too; of the KDC's: `orthrus admin why --id ID`. */
  readonly refusal?: string
  /** Which of the caller's own caveats failed. */
  readonly caveat?: string
  /** How the invitation ended that somebody tried to join with (`revoked`). */
  readonly invitation?: InvitationEnd
  /** What to do next, if that is known. */
  readonly hint?: string
}

export interface OrthrusErrorOptions extends ErrorFacts {
  readonly final?: boolean
  readonly cause?: unknown
}

/** By which each copy of the class knows the errors of the others. */
const BRAND: unique symbol = Symbol.for('orthrus.OrthrusError')

/**
 * A failure that a correct program must expect. `code` is one of the closed set of section 11. `final` is true when the
 * request was refused for good, and false when it may have been handled or may still be.
 *
 * A program may have several copies of this class: each of its bundles has one, and so have the build for Node and the one
 * for browsers. `instanceof` is true of the errors of all of them.
 */
export class OrthrusError extends Error {
  static override readonly [Symbol.hasInstance] = hasInstance

  override readonly name = 'OrthrusError'
  readonly code: ErrorCode
  readonly final: boolean
  /** The message without the code and the hint. */
  readonly reason: string
  readonly facts: ErrorFacts

  constructor(code: ErrorCode, reason: string, options: OrthrusErrorOptions = {}) {
    const { final = false, cause, ...given } = options
    const facts = factsWithoutSecrets(given)
    const why = withoutSecrets(reason)
    const told = facts.hint === undefined ? why : `${why} (${facts.hint})`
    super(`${code}: ${told}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.final = final
    this.reason = why
    this.facts = facts
  }

  get [BRAND](): true {
    return true
  }

  toJSON(): object {
    return { name: this.name, code: this.code, final: this.final, message: this.message, ...this.facts }
  }
}

/** A secret may have been passed where a name, a URL or a path belongs, which errors quote. */
function factsWithoutSecrets(facts: ErrorFacts): ErrorFacts {
  const shown = Object.entries(facts).map(([name, value]) => [
    name,
    typeof value === 'string' ? withoutSecrets(value) : value,
  ])
  return Object.fromEntries(shown)
}

/** A class that extends it has its own instances alone. */
function hasInstance(this: unknown, value: unknown): boolean {
  if (this !== OrthrusError) return Function.prototype[Symbol.hasInstance].call(this, value)
  return typeof value === 'object' && value !== null && BRAND in value
}

/** Bytes or text that do not have the form they must have. */
export function malformed(what: string): OrthrusError {
  return new OrthrusError('malformed', what, { final: true })
}
