import { ENCODING_HEADER } from '../../shared/http/header-names.js'
import type { Timers } from '../../shared/timers.js'
import type { RequestMessage } from '../request/message.js'
import { FetchBody } from './body.js'

/**
 * A web `Request` is not what came over the wire: its URL is normalised, and its headers are joined by name. So what is
 * bound here is what the handler sees, read from the same places. Whatever was changed to make one of the other has
 * another binding than its client sent, unless the handler cannot tell the two apart.
 */

/** A request as values, with a body that keeps what was read. */
export interface FetchMessage extends RequestMessage {
  readonly body: FetchBody
}

export function messageOf(request: Request, timers: Timers): FetchMessage {
  const { method, url, headers } = request
  const target = targetIn(url)
  const fault = target === normalisedTarget(url) ? undefined : TWO_READINGS
  return { method, target, headers: [...headers], body: new FetchBody(request, timers, fault) }
}

const TWO_READINGS = 'a URL that some programs read in another way than others'

/** All that follows the host, a fragment included: no client binds one. */
export function targetIn(url: string): string {
  const authority = url.indexOf('://') + '://'.length
  const path = url.indexOf('/', authority)
  return path < 0 ? '' : url.slice(path)
}

/** Routers look at the text of a URL, handlers at what is parsed of it. The two must be the same. */
function normalisedTarget(url: string): string | undefined {
  return URL.canParse(url) ? targetIn(new URL(url).href) : undefined
}

/** What reads bodies must not take the opened one for a sealed one, nor expect the length that it had. */
const OF_SEALED: ReadonlySet<string> = new Set([ENCODING_HEADER, 'content-length'])

/** The request for the handler: with the body that was verified, unread, and otherwise as it was verified. */
export function withBody(request: Request, { method, headers, body }: FetchMessage): Request {
  const { bytes, opened } = body
  if (opened !== undefined) {
    const kept = headers.filter(([name]) => !OF_SEALED.has(name))
    const init = { method, headers: kept as [string, string][], signal: request.signal, body: opened }
    // Platforms take a stream only together with this.
    return new Request(request.url, { ...init, duplex: 'half' } as RequestInit)
  }
  if (bytes === undefined) return request
  const { url, signal } = request
  const pairs = headers.map(([name, value]): [string, string] => [name, value])
  return new Request(url, {
    method,
    headers: pairs,
    signal,
    body: bytes.length > 0 ? new Uint8Array(bytes) : null,
  })
}
