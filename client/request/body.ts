import { requireBytes } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'

/** Bodies of requests and responses as bytes, and as nothing else. */

/**
 * Platforms that take an async iterable for a body, as a stream of Node's, make zeros or nothing of chunks that are no
 * bytes. So what iterates becomes a stream here, whose chunks are looked at as they are read.
 */
export function bodyStream({ body }: RequestInit): { body?: ReadableStream } {
  if (typeof body !== 'object' || body === null || body instanceof ReadableStream) return {}
  if (!(Symbol.asyncIterator in body)) return {}
  const chunks = (body as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  return {
    body: new ReadableStream({
      pull: async controller => {
        const { done, value } = await chunks.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      cancel: async () => {
        await chunks.return?.()
      },
    }),
  }
}

/** Some browsers do not show the body of a `Request`, which is not to say that it has none. */
export async function bodyOf(request: Request): Promise<ReadableStream<Uint8Array> | null> {
  return request.body === undefined ? (await request.blob()).stream() : request.body
}

/** All bytes of a body. @throws OrthrusError `too_large`, naming the option that allows more. @throws TypeError for a chunk that is no bytes */
export async function readBytes(
  stream: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  what: string,
  option: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = stream?.getReader()
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    const chunk: unknown = read.value
    try {
      requireBytes(chunk, `a chunk of the body of the ${what}`)
    } catch (cause) {
      void reader?.cancel(cause).catch(() => {})
      throw cause
    }
    length += chunk.length
    if (length > maxBytes) {
      void reader?.cancel().catch(() => {})
      throw new OrthrusError('too_large', `the body of the ${what} is over ${maxBytes} bytes`, {
        final: what === 'request',
        hint: `give ${option} a larger value, or ask for less at once`,
      })
    }
    chunks.push(chunk)
  }
  return join(chunks, length)
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}
