import { hintFrom } from '#hints'
import type { WireError } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import type { RefusedRequest } from '../hints/service-hints.js'
import { caveatTold } from '../kdc-link/refusals.js'

/** Turns the ERROR of a service into an `OrthrusError` that tells a person the next step. */

/** What is known of the refused request. */
export interface Refusal extends Omit<RefusedRequest, 'caveat'> {
  readonly final: boolean
  /** The id by which the log of the service names it. */
  readonly refusal: string
  /** The URL of the KDC that was asked, if it was one. */
  readonly kdc: string | undefined
}

/** Anybody can write an ERROR of type 05: it becomes `refused_unproved`, and its code is only `facts.claimed`. */
export async function serviceRefusal(error: WireError, request: Refusal): Promise<OrthrusError> {
  const { client, service, final, refusal, kdc } = request
  const { code, authenticated, time, floor, message } = error
  const { told, caveat } = caveatTold(message)
  const hint = await hintFrom(hints => hints.serviceHint(error, { ...request, caveat }))
  const facts = { principal: client, service, time, floor, final, hint, refusal, ...(kdc && { kdc }) }
  const name = kdc === undefined ? service : `${service} at ${kdc}`
  if (!authenticated) {
    return new OrthrusError(
      'refused_unproved',
      `an answer in the name of ${name} says ${code}, and nothing proves that it is from ${service}`,
      {
        ...facts,
        claimed: code,
        hint: `it may be forged, and the request may have been handled; if it is true: ${hint}`,
      },
    )
  }
  const named = caveat === undefined ? {} : { caveat }
  return new OrthrusError(code, `${name} refused the request${told}`, { ...facts, ...named })
}
