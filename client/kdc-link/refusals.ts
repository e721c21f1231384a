import { WINDOW } from '../../shared/constants.js'
import type { WireError } from '../../shared/encoding/error.js'
import { parseInvitationEnd } from '../../shared/encoding/invitation-end.js'
import { parseRetryAfter } from '../../shared/encoding/retry-after.js'
import { type ErrorFacts, isTransient, OrthrusError, type WireCode } from '../../shared/errors.js'
import type { Denial } from '../../shared/exchange/reply.js'
import { localPart, type Principal } from '../../shared/principal.js'
import { formatTime, SECOND } from '../../shared/time.js'

/** Turns an ERROR of the KDC into an `OrthrusError` that tells a person the next step. */

export interface Login {
  readonly client: Principal
  readonly passwordBased: boolean
}

/** Where a refusal came from, for people. */
export interface Answerer {
  /** The URL of the KDC. */
  readonly kdc: string
  /** The id by which its log names the refusal. */
  readonly refusal?: string
}

/** A ticket that the KDC denied. */
export type Denied = Denial & Answerer

/**
 * The error for an ERROR. Anybody can write one of type 05: then `facts.claimed` is set, and nothing is final.
 * @param own the time of this machine's clock, milliseconds, for the hint of `clock_skew`
 */
export function kdcRefusal(
  error: WireError,
  { client, passwordBased }: Login,
  answerer: Answerer,
  own?: number,
): OrthrusError {
  const { code, authenticated, time, message } = error
  const retryAfter = code === 'rate_limited' ? parseRetryAfter(message) : undefined
  const hint =
    code === 'clock_skew'
      ? skewHint(time, own)
      : kdcHint(code, client, passwordBased, retryAfter, caveatTold(message).caveat)
  const facts = {
    principal: client,
    ...answerer,
    time,
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
  const refused = `the KDC at ${answerer.kdc} refused ${client}`
  if (authenticated && code === 'revoked') return revoked(refused, message, facts)
  if (authenticated) {
    const { told, ...caveat } = caveatTold(message)
    return new OrthrusError(code, `${refused}${told}`, {
      ...facts,
      ...caveat,
      final: !isTransient(code),
    })
  }
  const told = code === 'auth_failed' && passwordBased ? 'password_wrong' : code
  return new OrthrusError(told, `${refused}; nothing proves that it was the KDC`, {
    ...facts,
    claimed: code,
  })
}

/** An invitation that has ended is told how; any other client only that its tickets are dead. */
function revoked(refused: string, message: string, facts: ErrorFacts): OrthrusError {
  const end = parseInvitationEnd(message)
  if (end === undefined) return new OrthrusError('revoked', refused, { ...facts, final: true })
  const { how, at, from } = end
  const told = {
    used: `was used at ${formatTime(at)}${from === null ? '' : ` from ${from}`}`,
    withdrawn: `was withdrawn at ${formatTime(at)}`,
    expired: `ended at ${formatTime(at)}`,
  }
  const stolen =
    how === 'used'
      ? '; if that was not this host, whoever it was has the key: orthrus admin revoke key NAME'
      : ''
  return new OrthrusError('revoked', `the join code ${told[how]}`, {
    ...facts,
    final: true,
    invitation: end,
    hint: `ask an administrator for another one: orthrus admin invite NAME${stolen}`,
  })
}

/** Reads an answer of the KDC, and adds the next step to the error if it is invalid. @throws OrthrusError */
export function explainingKdcErrors<T>(kdc: string, look: () => T): T {
  try {
    return look()
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw new OrthrusError(
      cause.code,
      `an answer in the name of the KDC at ${kdc} cannot be used: ${cause.reason}`,
      {
        kdc,
        hint: 'the KDC is of another version, or somebody answers in its place: check its URL',
      },
    )
  }
}

function kdcHint(
  code: WireCode,
  client: Principal,
  passwordBased: boolean,
  retryAfter: number | undefined,
  caveat: string | undefined,
): string | undefined {
  const name = localPart(client)
  switch (code) {
    case 'auth_failed':
      if (passwordBased) return 'check the name and the password'
      // Only an administrator can look, and this one is refused.
      return name === 'admin'
        ? 'its key may have been replaced, or the keytab be that of another realm: use its newest keytab, or that of another administrator'
        : `it may have been removed, or its key replaced; run: orthrus admin show ${name}, and use its newest keytab`
    case 'principal_disabled':
      return `run: orthrus admin enable ${name}`
    case 'rate_limited':
      return retryAfter === undefined
        ? 'wait a little before the next attempt'
        : `try again in ${retryAfter / SECOND} s`
    case 'unavailable':
      return "try again; the KDC's log says why"
    case 'caveat_failed':
      return caveat === 'expires'
        ? 'the credential has ended: ask whoever handed it on for another'
        : 'ask whoever made the credential for another'
    case 'unsupported_version':
      return 'client and KDC are of different versions; use the same one'
    default:
      return undefined
  }
}

/** Two clocks disagree, and the client cannot know which one is wrong. */
function skewHint(told: number, own: number | undefined): string {
  const look = 'its log, and /health at its address, say whether it knows that its own clock is wrong'
  if (own === undefined) return `this machine's clock or the KDC's is wrong; ${look}`
  const read = `this machine's clock reads ${formatTime(own)}, the KDC's ${formatTime(told)}`
  if (Math.abs(told - own) <= WINDOW.KDC_SKEW) {
    return `${read}: they agree now; ask again, and if it stays so, look whether requests take minutes on their way`
  }
  return `${read}: one of the two is wrong, so set that one; ${look}`
}

/** The error for one service that a proved answer of the KDC denies a ticket for. */
export function denial(client: Principal, { code, ...denied }: Denied): OrthrusError {
  const { service, kdc, refusal } = denied
  const next = denialHint(code, localPart(client), localPart(service))
  const hint =
    refusal === undefined || next === undefined ? next : `${next}; why: orthrus admin why --id ${refusal}`
  return new OrthrusError(code, `the KDC at ${kdc} gives ${client} no ticket for ${service}`, {
    final: true,
    principal: client,
    ...denied,
    ...(hint === undefined ? {} : { hint }),
  })
}

function denialHint(code: WireCode, client: string, service: string): string | undefined {
  switch (code) {
    case 'policy_denied':
      if (service === 'krbtgt') return 'no rule allows it: a TGT comes with each login, not by name'
      return `orthrus admin policy ${client} ${service} shows whether a rule denies it; if none does, run: orthrus admin allow ${client} ${service}; if there is no such service (the KDC does not say), check its name`
    case 'unknown_service':
      return `orthrus admin show ${service} says whether there is one, and whether it has a key; to make one, run: orthrus admin add ${service}`
    case 'caveat_failed':
      return `the credential of ${client} was cut down to other services: ask whoever made it for one that names ${service}`
    case 'too_large':
      return 'its claims and caveats are too many: give it fewer, or ask for fewer services at once'
    default:
      return undefined
  }
}

/** The caveat that failed, if the message of a proved ERROR names one. */
export function caveatTold(message: string): { readonly told: string; readonly caveat?: string } {
  const caveat = /^caveat ([a-z][a-z ]{0,40})$/.exec(message)?.[1]
  return caveat === undefined ? { told: '' } : { told: `: the caveat ${caveat} does not hold`, caveat }
}
