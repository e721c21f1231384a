import { isUint8Array } from 'node:util/types'

/** What handlers give to `write` and `end`, in the forms that Node takes. */

export type Done = (error?: Error | null) => void
export type Encoding = BufferEncoding | Done

export function doneOf(...given: readonly unknown[]): Done | undefined {
  return given.find(argument => typeof argument === 'function') as Done | undefined
}

/** Accepts what Node's own `write` accepts, and refuses the rest with Node's codes. */
export function bytesOf(chunk: unknown, encoding: Encoding | undefined): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8')
  // Node's own test: bytes of another JavaScript realm, as in test runners, are not `instanceof Uint8Array`.
  if (isUint8Array(chunk)) return chunk
  const code = chunk === null ? 'ERR_STREAM_NULL_VALUES' : 'ERR_INVALID_ARG_TYPE'
  throw Object.assign(new TypeError('a chunk of a response is a string, a Buffer or a Uint8Array'), { code })
}
