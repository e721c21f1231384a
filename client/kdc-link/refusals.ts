import { hintFrom } from '#hints'
import type { WireError } from '../../shared/encoding/error.js'
import { parseInvitationEnd } from '../../shared/encoding/invitation-end.js'
import { parseRetryAfter } from '../../shared/encoding/retry-after.js'
import { type ErrorFacts, isTransient, OrthrusError } from '../../shared/errors.js'
import type { Denial } from '../../shared/exchange/reply.js'
import type { Principal } from '../../shared/principal.js'

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
export async function kdcRefusal(
  error: WireError,
  { client, passwordBased }: Login,
  answerer: Answerer,
  own?: number,
): Promise<OrthrusError> {
  const { code, authenticated, time, message } = error
  const retryAfter = code === 'rate_limited' ? parseRetryAfter(message) : undefined
  const { told, ...caveat } = caveatTold(message)
  const refused = { client, passwordBased, own, retryAfter, caveat: caveat.caveat }
  const hint = await hintFrom(hints => hints.kdcHint(error, refused))
  const facts = {
    principal: client,
    ...answerer,
    time,
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
  const reason = `the KDC at ${answerer.kdc} refused ${client}`
  if (authenticated) {
    return new OrthrusError(code, `${reason}${told}`, {
      ...facts,
      ...caveat,
      ...invitationTold(error),
      final: !isTransient(code),
    })
  }
  const claimed = code === 'auth_failed' && passwordBased ? 'password_wrong' : code
  return new OrthrusError(claimed, `${reason}; nothing proves that it was the KDC`, {
    ...facts,
    claimed: code,
  })
}

/** The error for one service that a proved answer of the KDC denies a ticket for. */
export async function denial(client: Principal, denied: Denied): Promise<OrthrusError> {
  const { code, ...facts } = denied
  const hint = await hintFrom(hints => hints.denialHint(client, denied))
  return new OrthrusError(code, denialReason(client, denied), {
    final: true,
    principal: client,
    ...facts,
    ...(hint === undefined ? {} : { hint }),
  })
}

export function denialReason(client: Principal, { kdc, service }: Denied): string {
  return `the KDC at ${kdc} gives ${client} no ticket for ${service}`
}

/** How an invitation ended. Any other client is told only that its tickets are dead. */
function invitationTold({ code, message }: WireError): Pick<ErrorFacts, 'invitation'> {
  const invitation = code === 'revoked' ? parseInvitationEnd(message) : undefined
  return invitation === undefined ? {} : { invitation }
}

/** The caveat that failed, if the message of a proved ERROR names one. */
export function caveatTold(message: string): { readonly told: string; readonly caveat?: string } {
  const caveat = /^caveat ([a-z][a-z ]{0,40})$/.exec(message)?.[1]
  return caveat === undefined ? { told: '' } : { told: `: the caveat ${caveat} does not hold`, caveat }
}
