const SLAB_BYTES = 16 * 1024
const SHARED_BYTES = 2 * 1024
let slab = new Uint8Array(SLAB_BYTES)
let used = 0

/**
 * Zeroed bytes for what is soon gone: a message on its way. Several share a piece of memory, since one of its own
 * costs more to make than most messages cost to fill. What is kept for long is a copy, or it keeps them all; and none of
 * it is for the application, whose view of one would be a view of its neighbours.
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

/** The parts one after the other, as `allocateBriefly` has room for them. */
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

/** A plain view of what may be a `Buffer`, so that slices of it print and compare as plain bytes. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Each byte as the character of that number; for few bytes. */
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

export { fromBase64url, toBase64url } from '#base64url'
