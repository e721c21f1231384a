import { isUint8Array } from 'node:util/types'
import { ByteCollector } from '../response/byte-collector.js'

/** A stream is no stream of bytes. */
export class NotBytes extends TypeError {}

type BodyReader = ReadableStreamDefaultReader<Uint8Array>

/**
 * All bytes of a stream, or `undefined` if there are more than the limit: then the rest is left unread. No more than the
 * limit and one piece of the stream is ever held.
 * @throws NotBytes if the stream yields anything but bytes
 * @throws unknown what the stream fails with
 */
export async function collectBounded(reader: BodyReader, limit: number): Promise<Uint8Array | undefined> {
  const body = new ByteCollector(limit)
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return body.bytes()
    if (!isUint8Array(value)) throw new NotBytes('a body is a stream of Uint8Array')
    if (!body.append(value)) return undefined
  }
}
