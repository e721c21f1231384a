import { OrthrusError } from '../../shared/errors.js'
import { hasBody } from '../../shared/http/binding.js'
import { furtherNames } from '../../shared/http/further-headers.js'
import { FURTHER_HEADER } from '../../shared/http/header-names.js'
import type { Principal } from '../../shared/principal.js'
import type { Span } from '../kdc-link/kdc-clock.js'
import { readBytes } from './body.js'
import { hintForUnproved } from './no-answer.js'
import type { ErrorAnswer, Presented } from './presenting.js'
import { isBound, readClaim } from './response-proof.js'

/** What a response is checked against. */
export interface Awaited {
  readonly presented: Presented
  readonly method: string
  readonly url: URL
  readonly span: Span
  /** The largest body, bytes. */
  readonly maxBytes: number
}

/** A response that was read whole and that the service has proved. */
export interface RealmResponse extends Response {
  /**
   * The further headers that the proof covers, in lower case: what the service's `coverResponseHeaders` names. One that
   * the response lacks is proved to be missing. A clone of the response has no such list.
   */
  readonly covered: readonly string[]
}

export interface ProvedResponse {
  readonly response: RealmResponse
}

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
    // Does nothing if the body was read whole. Otherwise the sender could keep the connection open for ever.
    void response.body?.cancel().catch(() => {})
  }
}

async function readResponse(response: Response, awaited: Awaited): Promise<ProvedResponse | ErrorAnswer> {
  const { presented, span } = awaited
  const claim = readClaim(response.headers, presented)
  if ('error' in claim) return { error: claim.error, span }
  if ('bindings' in claim) return { response: await openProved(response, claim.bindings, awaited) }
  const { service } = presented
  const reason = claim.fault ?? `status ${response.status} without a proof`
  throw unproved(service, reason, hintForUnproved(response, awaited.url, service))
}

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
    throw unproved(
      service,
      'its status, headers or body are not those that the service sent',
      'something on the way changes responses: look for a proxy that rewrites bodies, redirects, content types or covered headers',
    )
  }
  return handOut(response, BODILESS.has(status) || method === 'HEAD' ? null : body, url)
}

/** Builds the response from what was read. The status text is left out because no proof covers it. */
function handOut(response: Response, body: Uint8Array<ArrayBuffer> | null, url: URL): RealmResponse {
  const { status, headers } = response
  const proved = new Response(body, { status, headers })
  Object.defineProperty(proved, 'url', { value: url.href, enumerable: true })
  const covered = furtherNames(headers.get(FURTHER_HEADER))
  Object.defineProperty(proved, 'covered', { value: covered, enumerable: true })
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
