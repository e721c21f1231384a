import * as platform from '#base64url'

const SLAB_BYTES = 16 * 1024
const SHARED_BYTES = 2 * 1024
let slab = new Uint8Array(SLAB_BYTES)
let used = 0

/**
 * Zeroed bytes for a message that is soon sent and forgotten. Several messages share one block of memory, because
 * allocating a block for each costs more than filling it. Copy what you keep for long, or it keeps the whole block
 * alive. Never give these bytes to the application: their buffer also holds the neighbouring messages.
 */
export function allocateBriefly(length: number): Uint8Array {
  if (length > SHARED_BYTES) return new Uint8Array(length)
  if (used + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES)
    used = 0
  }
  used += length
  return slab.subarray(used - length, used)
}

/** The parts joined, in memory from `allocateBriefly`. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = allocateBriefly(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** A plain `Uint8Array` over bytes that may be a `Buffer`, so that slices print and compare as plain bytes. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Each byte as the character with that code. For short input only: each byte becomes an argument of a call. */
export function latin1Text(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[])
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower case. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

/** This getter names the kind of a typed array, even one from another window or from a test runner's own globals. */
const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get

/**
 * Requires that a value from a caller is bytes. Texts, numbers, buffers and arrays of wider elements would be copied as
 * zeros, or as something the caller did not mean.
 * @param what names the value in the error, as in `a chunk of the body`. @throws TypeError
 */
export function requireBytes(value: unknown, what: string): asserts value is Uint8Array {
  if (typedArrayName?.call(value) === 'Uint8Array') return
  throw new TypeError(`${what} must be a Uint8Array or Buffer, not ${kindOf(value)}`)
}

function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : `a ${typeof value}`
  return `a ${Object.prototype.toString.call(value).slice('[object '.length, -1)}`
}

/** Base64url without padding (RFC 4648 section 5). */
export function toBase64url(bytes: Uint8Array): string {
  return platform.toBase64url(bytes)
}

/** Accepts the encoding that `toBase64url` gives and no other. @throws OrthrusError `malformed` */
export function fromBase64url(text: string): Uint8Array {
  return platform.fromBase64url(text)
}

/** As `fromBase64url`, for callers that have their own error: undefined if the text is not base64url. */
export function base64urlBytes(text: string): Uint8Array | undefined {
  try {
    return fromBase64url(text)
  } catch {
    return undefined
  }
}
