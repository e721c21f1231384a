import type { ServerResponse } from 'node:http'
import { ENCODING_HEADER, SEALED_ENCODING } from '../../shared/http/header-names.js'
import type { Header } from '../request/message.js'
import type { ResponseBuffer, ResponseMethods } from './buffer.js'
import { nameFurther } from './headers.js'
import type { Done } from './written.js'

/** How a proved response goes out on `node:http`. No header that is set here is covered by the proof. */

export interface ProvedHead {
  readonly res: ServerResponse
  /** What sends it. */
  readonly own: ResponseMethods | ResponseBuffer
  readonly status: number
  readonly proof: Header
  /** Further headers that the proof covers. */
  readonly further: readonly string[]
}

/** @param body `undefined` for a response that has none, as to HEAD */
export function sendWhole(
  { own, status, proof, further }: ProvedHead,
  body: Buffer | undefined,
  done: Done | undefined,
): void {
  nameFurther(own, further)
  own.removeHeader('transfer-encoding')
  if (body !== undefined) own.setHeader('content-length', body.length)
  else if (status === 204) own.removeHeader('content-length')
  own.setHeader(proof[0], proof[1])
  own.writeHead(status)
  if (body !== undefined && body.length > 0) own.end(body, done)
  else own.end(done)
}

/** The body follows, sealed. */
export function sendSealedHead({ res, own, status, proof, further }: ProvedHead): void {
  nameFurther(own, further)
  own.removeHeader('content-length')
  // Removed, it would let Node end the body by ending the connection.
  if (res.hasHeader('transfer-encoding')) own.setHeader('transfer-encoding', 'chunked')
  own.setHeader(ENCODING_HEADER, SEALED_ENCODING)
  own.setHeader(proof[0], proof[1])
  own.writeHead(status)
}
