import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { Span } from '../kdc-link/kdc-clock.js'
import { readBytes } from './body.js'
import { hintForUnproved } from './no-answer.js'
import type { ErrorAnswer, Presented } from './presenter.js'
import { isBound, readClaim } from './response-proof.js'

/** What a response is checked against. */
export interface Awaited {
  readonly presented: Presented
  readonly method: string
  readonly url: URL
  readonly span: Span
  /** Of body, bytes. */
  readonly maxBytes: number
}

/** A response that the service has proved, whole. */
export interface ProvedResponse {
  readonly response: Response
}

/** Statuses whose responses have no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * The service's response, its body read whole, or its ERROR. Nothing of a response is handed out before it is
 * proved (docs/protocol.md section 8). @throws OrthrusError `response_unproved`; `too_large`
 */
export async function openResponse(
  response: Response,
  awaited: Awaited,
): Promise<ProvedResponse | ErrorAnswer> {
  try {
    return await readResponse(response, awaited)
  } finally {
    // Where it was read whole this does nothing; else somebody could hold the connection open for ever.
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
): Promise<Response> {
  const { service } = presented
  if (response.headers.has('content-encoding')) {
    throw unproved(
      service,
      'the body was encoded on its way',
      'keep the service and proxies from compressing',
    )
  }
  const { status, headers } = response
  const read = await readBytes(response.body, maxBytes, 'response', 'maxResponse')
  const body = method === 'HEAD' || status === 204 || status === 304 ? new Uint8Array() : read
  if (!isBound(bindings, { status, headers, body })) {
    throw unproved(
      service,
      'status, headers or body are not those that the service sent',
      'something on the way changes responses: look for a proxy that rewrites bodies, redirects or content types',
    )
  }
  return handOut(response, BODILESS.has(status) || method === 'HEAD' ? null : body, url)
}

/** A response made of what was read; the status text, which nothing covers, is left out. */
function handOut(response: Response, body: Uint8Array<ArrayBuffer> | null, url: URL): Response {
  const { status, headers } = response
  const proved = new Response(body, { status, headers })
  Object.defineProperty(proved, 'url', { value: url.href, enumerable: true })
  return proved
}

function unproved(service: Principal, reason: string, hint: string): OrthrusError {
  return new OrthrusError('response_unproved', `the response is not proved to be by ${service}: ${reason}`, {
    service,
    hint: `the request may have been handled; ${hint}`,
  })
}
