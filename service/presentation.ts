import type { IncomingMessage } from 'node:http'
import { malformed } from '../shared/errors.js'
import { coveredRequestValues, parseMessageHeader } from '../shared/protocol/http.js'

/** What of a request is bound but for its body, and the AP-REQ that came with it. */
export interface Presentation {
  /** The AP-REQ. */
  readonly bytes: Uint8Array
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/**
 * `undefined` where the request has no credentials of this scheme.
 * @throws OrthrusError `too_large`; `malformed` also for a header that is covered and doubled or empty, or one that
 * makes the request another than it is (docs/protocol.md section 8, HTTP binding)
 */
export function readPresentation(req: IncomingMessage): Presentation | undefined {
  const headers = headerPairs(req.rawHeaders)
  const credentials = headers.filter(([name]) => name.toLowerCase() === 'authorization')
  if (credentials.length > 1) throw malformed('the header Authorization twice')
  const bytes = parseMessageHeader(credentials[0]?.[1])
  if (bytes === undefined) return undefined
  coveredRequestValues(headers)
  return { bytes, method: req.method ?? '', target: targetOf(req), headers }
}

/** As on the request line: frameworks cut `url` where they mount, and keep the whole in `originalUrl`. */
export function targetOf(req: IncomingMessage & { readonly originalUrl?: unknown }): string {
  return typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? '')
}

/** Not `req.headers`, which merges, drops and folds what came twice. */
function headerPairs(raw: readonly string[]): (readonly [string, string])[] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? ''])
}
