import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** Its length, as the program said it: undefined of one that comes in chunks. */
export function lengthOf({ headers }: IncomingMessage): string | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined
  const { 'content-length': length } = headers
  return length === undefined ? undefined : String(Number(length))
}

/** The body of a program's request, as `fetch` takes it. */
export function uploadOf(req: IncomingMessage): ReadableStream<Uint8Array> | undefined {
  const { 'content-length': length = '0', 'transfer-encoding': transfer } = req.headers
  if (transfer === undefined && Number(length) === 0) return undefined
  return Readable.toWeb(req) as ReadableStream<Uint8Array>
}
