/** Bodies of requests, as undici takes them. */

type Chunks = Iterable<unknown> | AsyncIterable<unknown>

/**
 * @param declared what the caller says how long it is, bytes
 * @returns what `fetch` makes the same bytes of
 * @throws TypeError for one of another length; if it is read as it comes, while it is read
 */
export function bodyFrom(body: unknown, declared: number | undefined): { body?: BodyInit } {
  if (body === undefined || body === null) return requireLength(0, declared, {})
  const bytes = bytesOf(body)
  if (bytes !== undefined) return requireLength(bytes.length, declared, { body: bytes })
  if (body instanceof Blob) return requireLength(body.size, declared, { body })
  if (isForm(body)) return { body: ownForm(body) }
  // What is neither, `fetch` takes or refuses.
  if (body instanceof URLSearchParams || !isChunks(body)) return { body: body as BodyInit }
  return { body: chunksOf(body, declared) as unknown as BodyInit }
}

/** Other than `fetch`, undici gives a text no content type. */
function bytesOf(body: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  if (!ArrayBuffer.isView(body)) return undefined
  return new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.byteLength)
}

function requireLength<T>(length: number, declared: number | undefined, given: T): T {
  if (declared === undefined || declared === length) return given
  throw new TypeError(`the body has ${length} bytes, and its content-length says ${declared}`)
}

function isChunks(body: unknown): body is Chunks {
  return (
    typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || Symbol.iterator in body)
  )
}

/** undici has a class `FormData` of its own, which the platform's `fetch` may send as the text `[object FormData]`. */
function isForm(body: unknown): body is FormData {
  return typeof body === 'object' && Object.prototype.toString.call(body) === '[object FormData]'
}

function ownForm(form: FormData): FormData {
  if (form instanceof FormData) return form
  const own = new FormData()
  for (const [name, value] of form as Iterable<[string, string | File]>) {
    if (typeof value === 'string') own.append(name, value)
    else own.append(name, value, value.name)
  }
  return own
}

/** A body that ended before the length that was stated for it is one that was cut off. */
async function* chunksOf(body: Chunks, declared: number | undefined): AsyncGenerator<unknown> {
  let length = 0
  for await (const given of body) {
    const chunk = typeof given === 'string' ? Buffer.from(given) : given
    length += chunk instanceof Uint8Array ? chunk.length : 0
    yield chunk
  }
  requireLength(length, declared, undefined)
}
