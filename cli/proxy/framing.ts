import type { IncomingMessage } from 'node:http'
import type { HeaderPair } from './header-rules.js'

/** How the body of a request is framed for the program. */

/** Methods to which Node gives no body of its own accord. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'])

/** Bytes; undefined of a body that is read as it comes. One that the gate has read is whole, and was put back. */
export function lengthOf(req: IncomingMessage): number | undefined {
  if (req.complete) return req.readableLength
  const hasOne =
    req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) !== 0
  return hasOne ? undefined : 0
}

/** The header that says it. @param length bytes, if it is known */
export function framing(method: string, length: number | undefined): HeaderPair[] {
  if (length === undefined) return [['transfer-encoding', 'chunked']]
  return length === 0 && BODILESS.has(method) ? [] : [['content-length', String(length)]]
}
