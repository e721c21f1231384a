import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerToBrowser, type CorsPolicy, headersForPage } from '../request/cors.js'
import type { ServiceParts } from '../request/service.js'
import { keepHeaders } from '../response/standing-headers.js'
import { headOf } from './request.js'

/**
 * Gives a response what a page of its origin needs to read it, and answers a browser that asks whether it may send: no
 * ticket comes with that.
 * @returns whether it was answered
 */
export function answerCors(
  policy: CorsPolicy,
  { report }: Pick<ServiceParts, 'report'>,
  req: IncomingMessage,
  res: ServerResponse,
): boolean {
  const { origin, 'access-control-request-method': wanted } = req.headers
  keepHeaders(res, headersForPage(policy, origin))
  const answer = answerToBrowser(policy, report, { ...headOf(req), origin, wanted })
  if (answer === undefined) return false
  for (const [name, value] of answer.headers) res.setHeader(name, value)
  res.writeHead(answer.status).end()
  return true
}
