import { showsProtocol } from '../../shared/http/protocol-signs.js'
import { unprovedHint } from '../hints/answer-hints.js'
import type { Awaited } from './awaited.js'
import { readBytes } from './body.js'
import { BODILESS, handOut, type RealmResponse, unproved } from './handed-out.js'
import { REDIRECTS } from './redirects.js'
import type { UnprotectedOrigins } from './unprotected.js'

/** What is taken without a proof at an origin that `allowUnprotected` names: loaded by the first such answer. */

/**
 * Read whole, as it will be once it is proved, so that nothing else changes then. Whoever sends it may hold it back until
 * the service has proved itself, so what is read is looked at again.
 */
export async function openUnproved(
  response: Response,
  awaited: Awaited,
  unprotected: UnprotectedOrigins,
): Promise<RealmResponse> {
  const { presented, method, url, maxBytes } = awaited
  const { status } = response
  requireTakeable(response, awaited, unprotected)
  const read = await readBytes(response.body, maxBytes, 'response', 'maxResponse')
  requireTakeable(response, awaited, unprotected)
  unprotected.took(url.origin, presented.service)
  return handOut(response, BODILESS.has(status) || method === 'HEAD' ? null : read, url, false)
}

/** @throws OrthrusError `response_unproved` */
function requireTakeable(response: Response, awaited: Awaited, unprotected: UnprotectedOrigins): void {
  const fault = unprotectedFault(response, awaited, unprotected)
  if (fault !== undefined) throw unproved(awaited.presented.service, fault.reason, fault.hint)
}

/** Why an answer without a proof is not taken, although the origin is one where some are. */
function unprotectedFault(
  response: Response,
  { presented, sealed, url }: Awaited,
  unprotected: UnprotectedOrigins,
): { readonly reason: string; readonly hint: string } | undefined {
  const { service, own, request, headers } = presented
  const status = `status ${response.status} without a proof`
  if (unprotected.hasProved(url.origin, service)) {
    const hint = `${service} has proved itself at ${url.origin} before, so somebody on the way may take its proofs away. If it was rolled back, start this client again`
    return { reason: status, hint }
  }
  if (showsProtocol(response.headers)) {
    const hint = `it has headers of the protocol, so ${url.origin} is not taken to be unprotected: does a proxy remove the Authorization header, or change what it answers? Is this the address of ${service}?`
    return { reason: `${status} that holds`, hint }
  }
  if (sealed !== undefined || own === undefined || request.delegated !== null || headers.length > 0) {
    const hint = `allowUnprotected is for plain requests under this client's own ticket, not for sealed bodies, tickets that were given, or handOff: protect ${service} first`
    return { reason: status, hint }
  }
  if (response.type === 'opaqueredirect')
    return { reason: status, hint: unprovedHint(response, url, service) }
  if (REDIRECTS.has(response.status) && response.headers.has('location')) {
    const hint = `whoever wrote it would choose what this client signs next, so allowUnprotected takes no redirects: request the final address, or protect ${service} first`
    return { reason: `${status} that redirects`, hint }
  }
  return undefined
}
