import { hasBody, mayBeSealed } from '../../shared/http/binding.js'
import { ENCODING_HEADER, SEALED_ENCODING } from '../../shared/http/header-names.js'
import type { Awaited, StreamLife } from './awaited.js'
import { readBytes } from './body.js'
import { BODILESS, handOut, type RealmResponse, unproved } from './handed-out.js'
import { hintForUnproved } from './no-answer.js'
import type { ErrorAnswer } from './presenting.js'
import { type ClaimedReplies, isBound, readClaim, sealedReply } from './response-proof.js'

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
  throw unproved(service, reason, hintForUnproved(response, url, service))
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
  return openSealed(response, claim, awaited, sealed)
}

async function openSealed(
  response: Response,
  claim: ClaimedReplies,
  { presented, url }: Awaited,
  { clock, timers, signal, prolong }: StreamLife,
): Promise<RealmResponse> {
  const { service, key, request } = presented
  const { headers, body } = response
  const { status } = response
  const reply = sealedReply(claim, { status, headers })
  if (headers.get(ENCODING_HEADER) !== SEALED_ENCODING || body === null) {
    const hint = `the service, or what is in front of it, may be of a version without sealed bodies: leave out sealed, or update it`
    throw unproved(service, 'it is not sealed', hint)
  }
  if (reply === undefined)
    throw unproved(service, 'its status or headers are not those that the service sent', CHANGED)
  const { openDownload, StreamOpener } = await import('./sealed-bodies.js')
  const opener = new StreamOpener({ key, direction: 'service-to-client', messages: [request.bytes, reply] })
  const onOver = prolong()
  const stream = openDownload({ body, opener, clock, timers, signal, onOver })
  const opened = new Headers(headers)
  for (const name of [ENCODING_HEADER, 'content-length']) opened.delete(name)
  return handOut({ status, headers: opened }, stream, url)
}

const CHANGED =
  'something on the way changes responses: look for a proxy that rewrites bodies, redirects, content types or covered headers'

async function openProved(
  response: Response,
  bindings: readonly Uint8Array[],
  { presented, method, url, maxBytes }: Awaited,
): Promise<RealmResponse> {
  const { service } = presented
  if (response.headers.has('content-encoding')) {
    throw unproved(
      service,
      'the body has a content-encoding',
      'turn off compression in the service and in proxies',
    )
  }
  const { status, headers } = response
  const read = await readBytes(response.body, maxBytes, 'response', 'maxResponse')
  const body = hasBody(method, status) ? read : new Uint8Array()
  if (!isBound(bindings, { status, headers, body })) {
    throw unproved(service, 'its status, headers or body are not those that the service sent', CHANGED)
  }
  return handOut(response, BODILESS.has(status) || method === 'HEAD' ? null : body, url)
}
