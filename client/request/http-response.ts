import { StreamOpener } from '../../shared/channel/sealed-stream.js'
import { OrthrusError } from '../../shared/errors.js'
import { hasBody, mayBeSealed } from '../../shared/http/binding.js'
import { furtherNames } from '../../shared/http/further-headers.js'
import { ENCODING_HEADER, FURTHER_HEADER, SEALED_ENCODING } from '../../shared/http/header-names.js'
import { showsProtocol } from '../../shared/http/protocol-signs.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import type { Span } from '../kdc-link/kdc-clock.js'
import { readBytes } from './body.js'
import { hintForUnproved } from './no-answer.js'
import type { ErrorAnswer, Presented } from './presenting.js'
import { type ClaimedReplies, isBound, readClaim, sealedReply } from './response-proof.js'
import { openDownload } from './sealed-download.js'
import type { UnprotectedOrigins } from './unprotected.js'

/** What a response is checked against. */
export interface Awaited {
  readonly presented: Presented
  readonly method: string
  readonly url: URL
  readonly span: Span
  /** The largest body that is collected, bytes. */
  readonly maxBytes: number
  /** If no response is taken but a sealed one. */
  readonly sealed?: StreamLife | undefined
  /** Where answers without a proof are taken. Default: nowhere. */
  readonly unprotected?: UnprotectedOrigins | undefined
}

/** What a response that is read as it comes needs until it is over. */
export interface StreamLife {
  readonly clock: Clock
  readonly timers: Timers
  /** Ends it. */
  readonly signal: AbortSignal
  /** Keeps the signal in force until the function that it returns is called. */
  prolong(): () => void
}

/**
 * A response that the service has proved: read whole, or, if it is sealed, proved piece by piece as it is read. Only at an
 * origin that `allowUnprotected` names it may be one that nothing proves.
 */
export interface RealmResponse extends Response {
  /**
   * The further headers that the proof covers, in lower case: what the service's `coverResponseHeaders` names. One that
   * the response lacks is proved to be missing. A clone of the response has no such list.
   */
  readonly covered: readonly string[]
  /**
   * Whether it is proved. False only for one that `allowUnprotected` of `connect` let pass: anybody may have written it. A
   * clone of the response does not say.
   */
  readonly proved: boolean
}

export interface ProvedResponse {
  readonly response: RealmResponse
}

/** With a `location`, whatever else made the request may follow these too: a library, the platform's own `fetch`. */
export const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Statuses with which a `Response` cannot be made with a body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

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
  if (unprotected?.has(url.origin)) return { response: await openUnproved(response, awaited, unprotected) }
  const reason = claim.fault ?? `status ${response.status} without a proof`
  throw unproved(service, reason, hintForUnproved(response, url, service))
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
    return { reason: status, hint: hintForUnproved(response, url, service) }
  if (REDIRECTS.has(response.status) && response.headers.has('location')) {
    const hint = `whoever wrote it would choose what this client signs next, so allowUnprotected takes no redirects: request the final address, or protect ${service} first`
    return { reason: `${status} that redirects`, hint }
  }
  return undefined
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

function openSealed(
  response: Response,
  claim: ClaimedReplies,
  { presented, url }: Awaited,
  { clock, timers, signal, prolong }: StreamLife,
): RealmResponse {
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

/**
 * Read whole, as it will be once it is proved, so that nothing else changes then. Whoever sends it may hold it back until
 * the service has proved itself, so what is read is looked at again.
 */
async function openUnproved(
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

/** Builds the response from what was read. The status text is left out because no proof covers it. */
function handOut(
  { status, headers }: Pick<Response, 'status' | 'headers'>,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null,
  url: URL,
  isProved = true,
): RealmResponse {
  const proved = new Response(body, { status, headers })
  Object.defineProperty(proved, 'url', { value: url.href, enumerable: true })
  const covered = furtherNames(headers.get(FURTHER_HEADER))
  Object.defineProperty(proved, 'covered', { value: covered, enumerable: true })
  Object.defineProperty(proved, 'proved', { value: isProved, enumerable: true })
  return proved as RealmResponse
}

function unproved(service: Principal, reason: string, hint: string): OrthrusError {
  return new OrthrusError(
    'response_unproved',
    `nothing proves that the response is from ${service}: ${reason}`,
    {
      service,
      hint: `the request may have been handled; ${hint}`,
    },
  )
}
