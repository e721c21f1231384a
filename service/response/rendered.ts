import type { Header, ResponseMessage } from '../request/message.js'

/** What an application writes in place of a refusal, made into an answer that still refuses. */

/** Never taken from the application: they belong to the protocol, to the connection, or to the body as it was written. */
const OWN: ReadonlySet<string> = new Set([
  'authentication-info',
  'orthrus-covered',
  'cache-control',
  'connection',
  'content-length',
  'transfer-encoding',
  'trailer',
])

const DESCRIBES_BODY: ReadonlySet<string> = new Set(['content-type', 'content-length'])

/** Whether a header of this name, in lower case, may come from the application. */
export function isApplications(name: string): boolean {
  return !OWN.has(name)
}

/** The headers of a refusal, without those of its body. */
export function headersToKeep({ headers }: ResponseMessage): Header[] {
  return headers.filter(([name]) => !DESCRIBES_BODY.has(name))
}

/**
 * The answer has the headers of the refusal, and its status, if what was written would say that all went well. The
 * challenge stands first: others, of further schemes, may follow it.
 * @param written names in lower case, one pair for each line
 */
export function renderedRefusal(
  refusal: ResponseMessage,
  { status, headers: written, body }: { status: number; headers: Iterable<Header>; body: Uint8Array },
): ResponseMessage {
  const headers = headersToKeep(refusal)
  const isOurs = ([name, value]: Header): boolean =>
    headers.some(header => header[0] === name && header[1] === value)
  for (const header of written) if (isApplications(header[0]) && !isOurs(header)) headers.push(header)
  headers.push(['content-length', String(body.length)])
  return { status: status < 300 ? refusal.status : status, headers, body }
}
