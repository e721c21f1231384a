import { answerToBrowser, headersForPage, variesBy } from '../request/cors.js'
import type { Header } from '../request/message.js'
import type { FetchGate } from './options.js'
import { targetIn } from './request.js'

type CorsGate = Pick<FetchGate, 'cors' | 'service'>

const NONE: readonly Header[] = []

/** Headers that the response to this request has, whatever becomes of it. */
export function standingHeaders({ cors }: CorsGate, { headers }: Request): readonly Header[] {
  return cors === undefined ? NONE : headersForPage(cors, headers.get('origin') ?? undefined)
}

/** Answers a browser that asks whether it may send, since no ticket comes with that. */
export function answerCors({ cors, service }: CorsGate, request: Request): Response | undefined {
  if (cors === undefined) return undefined
  const { method, url, headers } = request
  const answer = answerToBrowser(cors, service.report, {
    method,
    target: targetIn(url),
    origin: headers.get('origin') ?? undefined,
    wanted: headers.get('access-control-request-method') ?? undefined,
  })
  if (answer === undefined) return undefined
  const own = headersWith(
    answer.headers.map(([name, value]): [string, string] => [name, value]),
    standingHeaders({ cors, service }, request),
  )
  return new Response(null, { status: answer.status, headers: own })
}

/** `vary` is added to, the others are replaced. */
export function headersWith(init: HeadersInit, standing: readonly Header[]): Headers {
  const headers = new Headers(init)
  for (const [name, value] of standing) {
    headers.set(name, name === 'vary' ? variesBy(headers.get(name) ?? '', value) : value)
  }
  return headers
}

/** A response that no gate proves. Those of a `fetch`, and of redirects, let nobody change their headers. */
export function withHeaders(response: Response, standing: readonly Header[]): Response {
  if (standing.length === 0) return response
  const { status, statusText, headers, body } = response
  return new Response(body, { status, statusText, headers: headersWith(headers, standing) })
}
