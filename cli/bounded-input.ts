import { createReadStream } from 'node:fs'

/** Files and standard input are read up to a bound: a device gives bytes without end, and a pipe may. */

export interface Bound {
  /** Bytes. */
  readonly max: number
  /** Why no more can be meant. */
  readonly because: string
}

/** A piece that is read at once, bytes. */
const PIECE = 256 * 1024

/**
 * The bytes of a file, which may be a pipe.
 * @throws TypeError if there are more of them
 * @throws the system's error
 */
export function readBounded(path: string, bound: Bound): Promise<Uint8Array<ArrayBuffer>> {
  return collect(path, createReadStream(path, { highWaterMark: PIECE }), bound)
}

/**
 * All of standard input.
 * @throws TypeError if there is more of it
 */
export function standardInput(bound: Bound): Promise<Uint8Array<ArrayBuffer>> {
  return collect('standard input', process.stdin, bound)
}

async function collect(
  name: string,
  source: AsyncIterable<unknown>,
  { max, because }: Bound,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > max) throw new TypeError(`${name} has more than ${max} bytes: ${because}`)
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
