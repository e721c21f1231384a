import type { IncomingMessage } from 'node:http'
import { malformed } from '../../shared/errors.js'
import { coveredRequestValues } from '../../shared/http/binding.js'
import { parseMessageHeader } from '../../shared/http/headers.js'

/** What of a request is bound but for its body, and the AP-REQ that came with it. */
export interface Presentation {
  /** The AP-REQ. */
  readonly bytes: Uint8Array
  readonly method: string
  readonly target: string
  /** The values of the covered headers, as `coveredRequestValues` gives them. */
  readonly covered: readonly string[]
}

/**
 * `undefined` where the request has no credentials of this scheme.
 * @throws OrthrusError `too_large`; `malformed` also for a header that is covered and doubled or empty, or one that
 * makes the request another than it is (docs/protocol.md section 8, HTTP binding)
 */
export function readPresentation(req: IncomingMessage): Presentation | undefined {
  const bytes = parseMessageHeader(authorizationOf(req))
  if (bytes === undefined) return undefined
  // There a body comes without a header that announces it, so that its absence could not be told.
  if (req.httpVersionMajor !== 1) throw malformed(`HTTP/${req.httpVersion}, where HTTP/1.1 is bound`)
  const covered = coveredRequestValues(headerPairs(req.rawHeaders))
  return { bytes, method: req.method ?? '', target: targetOf(req), covered }
}

/** Node keeps the first of several in `headers`. @throws OrthrusError `malformed` where there are several */
function authorizationOf({ headers, rawHeaders }: IncomingMessage): string | undefined {
  const { authorization } = headers
  if (authorization === undefined) return undefined
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION) count++
  }
  if (count > 1) throw malformed('the header Authorization twice')
  return authorization
}

const AUTHORIZATION = 'authorization'

/** As on the request line: frameworks cut `url` where they mount, and keep the whole in `originalUrl`. */
export function targetOf(req: IncomingMessage & { readonly originalUrl?: unknown }): string {
  return typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? '')
}

/** Not `req.headers`, which merges, drops and folds what came twice. */
function headerPairs(raw: readonly string[]): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  for (let i = 0; i < raw.length; i += 2) pairs.push([raw[i] as string, raw[i + 1] as string])
  return pairs
}
