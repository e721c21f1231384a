import { requireBytes } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import { quoted } from '../../shared/shown-text.js'

/** Reads the bodies of requests and responses, and accepts nothing but bytes. */

/** Not looked up before it is needed: Node loads the whole of its `fetch` with the first of these names. */
const kinds = () => [Blob, URLSearchParams, FormData, ReadableStream]

/**
 * The platform would send the text of anything else, such as `[object Object]`.
 * @throws TypeError that names what it is, and what to write instead
 */
export function requireBody(body: unknown): void {
  if (body === undefined || body === null || typeof body === 'string') return
  if (ArrayBuffer.isView(body) || tagOf(body) === 'ArrayBuffer') return
  if (kinds().some(kind => body instanceof kind)) return
  if (typeof body === 'object' && Symbol.asyncIterator in body) {
    requireUnread(body)
    return
  }
  throw new TypeError(`realm.fetch takes no ${nameOf(body)} as a body; ${adviceFor(body)}`)
}

/** A Node stream that has ended or was destroyed would be sent as an empty body. */
function requireUnread(body: object): void {
  if (!('readable' in body) || body.readable !== false) return
  throw new TypeError(
    'the body is a stream that has ended or was destroyed: nothing is left to send. A stream can be read once: give each request a new one',
  )
}

function tagOf(body: unknown): string {
  return Object.prototype.toString.call(body).slice('[object '.length, -1)
}

function nameOf(body: unknown): string {
  if (typeof body !== 'object' || body === null) return typeof body
  return quoted(String(body.constructor?.name ?? 'object'), 40)
}

function adviceFor(body: unknown): string {
  if (/^(?:FormData|Blob|File|URLSearchParams|ReadableStream)$/.test(tagOf(body)))
    return 'it is of another library: make one of the class that this platform has under that name'
  return 'write JSON.stringify(body) and a content-type, or give bytes'
}

/**
 * Some platforms accept an async iterable as a body, such as a Node stream, and turn chunks that are not bytes into
 * zeros or into nothing. So an async iterable is wrapped in a stream here, and `readBytes` checks its chunks.
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

/** Whether a body is read as it comes. */
export function isStream(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false
  return body instanceof ReadableStream || Symbol.asyncIterator in body
}

/** The body of a request. In some browsers `Request.body` is undefined even if there is a body. */
export async function bodyOf(request: Request): Promise<ReadableStream<Uint8Array> | null> {
  return request.body === undefined ? (await request.blob()).stream() : request.body
}

/**
 * Reads a whole body.
 * @throws OrthrusError `too_large`, with a hint that names the option for a larger limit
 * @throws TypeError for a chunk that is not bytes
 */
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
