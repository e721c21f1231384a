import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** The body of a program's request, as `fetch` takes it. */
export function uploadOf(req: IncomingMessage): ReadableStream<Uint8Array> | undefined {
  const { 'content-length': length = '0', 'transfer-encoding': transfer } = req.headers
  if (transfer === undefined && Number(length) === 0) return undefined
  return Readable.toWeb(req) as ReadableStream<Uint8Array>
}
