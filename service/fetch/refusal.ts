import { hasBody } from '../../shared/http/binding.js'
import type { Header, ResponseMessage } from '../request/message.js'
import type { Refused } from '../request/refuse.js'
import { renderedRefusal } from '../response/rendered.js'
import { collectBounded } from './bounded-reader.js'
import { headersWith } from './cors.js'
import type { FetchGate } from './options.js'
import { isResponse } from './web-response.js'

/** A refusal as it is sent. @param standing what its response has, whatever it is */
export function refusalResponse(
  method: string,
  { status, headers, body }: ResponseMessage,
  standing: readonly Header[],
): Response {
  const pairs = headers.map(([name, value]): [string, string] => [name, value])
  const sent = hasBody(method, status) ? new Uint8Array(body) : null
  return new Response(sent, { status, headers: headersWith(pairs, standing) })
}

/** The refusal as it is, or as `onRefused` answers it. */
export async function renderRefusal(
  { options, service, maxResponse }: FetchGate,
  request: Request,
  { refused, response }: Refused,
): Promise<ResponseMessage> {
  if (options.onRefused === undefined) return response
  try {
    const answer: unknown = await options.onRefused(refused, request)
    return isResponse(answer) ? await rendered(response, answer, maxResponse) : response
  } catch (err) {
    service.report({ kind: 'hook_failed', hook: 'onRefused', err })
    return response
  }
}

const NO_BODY = new Uint8Array()

async function rendered(
  refusal: ResponseMessage,
  { status, headers, body: stream }: Response,
  maxBody: number,
): Promise<ResponseMessage> {
  const reader = stream?.getReader()
  const body = reader === undefined ? NO_BODY : await collectBounded(reader, maxBody)
  if (body !== undefined) return renderedRefusal(refusal, { status, headers: [...headers] as Header[], body })
  await reader?.cancel()
  throw new TypeError(`it answered with more than maxResponse, ${maxBody} bytes`)
}
