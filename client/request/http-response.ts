import { hintFrom } from '#hints'
import { hasBody, mayBeSealed } from '../../shared/http/binding.js'
import type { Awaited } from './awaited.js'
import { readBytes } from './body.js'
import { BODILESS, changed, handOut, type RealmResponse, unproved } from './handed-out.js'
import type { ErrorAnswer } from './presenting.js'
import { type ClaimedReplies, isBound, readClaim } from './response-proof.js'

export type { RealmResponse }

export interface ProvedResponse {
  readonly response: RealmResponse
}

/**
 * Reads and checks a response. The caller sees no part of it before it is proved (docs/protocol.md section 8).
 * @returns the response of the service, or its ERROR
 * @throws OrthrusError `response_unproved`; `too_large`
 */
export async function openResponse(
  response: Response,
  awaited: Awaited,
): Promise<ProvedResponse | ErrorAnswer> {
  try {
    return await readResponse(response, awaited)
  } finally {
    // Does nothing if the body was read whole, or is still being read. Otherwise the sender could keep the connection
    // open for ever.
    if (response.body?.locked === false) void response.body.cancel().catch(() => {})
  }
}

async function readResponse(response: Response, awaited: Awaited): Promise<ProvedResponse | ErrorAnswer> {
  const { presented, span } = awaited
  const claim = readClaim(response.headers, presented)
  const { service } = presented
  const { unprotected, url } = awaited
  if ('error' in claim) {
    if (claim.error.authenticated) unprotected?.proved(url.origin, service)
    return { error: claim.error, span }
  }
  if ('bindings' in claim) {
    unprotected?.proved(url.origin, service)
    return { response: await openClaimed(response, claim, awaited) }
  }
  if (unprotected?.has(url.origin)) {
    const { openUnproved } = await import('./unproved-response.js')
    return { response: await openUnproved(response, awaited, unprotected) }
  }
  const reason = claim.fault ?? `status ${response.status} without a proof`
  throw unproved(service, reason, await hintFrom(hints => hints.unprovedHint(response, url, service)))
}

async function openClaimed(
  response: Response,
  claim: ClaimedReplies,
  awaited: Awaited,
): Promise<RealmResponse> {
  const { method, sealed } = awaited
  if (sealed === undefined || !mayBeSealed(method, response.status)) {
    return openProved(response, claim.bindings, awaited)
  }
  const { openSealed } = await import('./sealed-bodies.js')
  return openSealed(response, claim, awaited, sealed)
}

async function openProved(
  response: Response,
  bindings: readonly Uint8Array[],
  { presented, method, url, maxBytes }: Awaited,
): Promise<RealmResponse> {
  const { service } = presented
  if (response.headers.has('content-encoding')) {
    const hint = await hintFrom(hints => hints.ENCODED_HINT)
    throw unproved(service, 'the body has a content-encoding', hint)
  }
  const { status, headers } = response
  const read = await readBytes(response.body, maxBytes, 'response', 'maxResponse')
  const body = hasBody(method, status) ? read : new Uint8Array()
  if (!isBound(bindings, { status, headers, body })) {
    throw await changed(service, 'its status, headers or body')
  }
  return handOut(response, BODILESS.has(status) || method === 'HEAD' ? null : body, url)
}
