import { malformed } from './errors.js'

const SLAB_BYTES = 16 * 1024
const SHARED_BYTES = 2 * 1024
let slab = new Uint8Array(SLAB_BYTES)
let used = 0

/**
 * Zeroed bytes for what is soon gone: a message on its way. Several share a piece of memory, since one of its own
 * costs more to make than most messages cost to fill; what is kept for long is a copy, or it keeps them all.
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

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** By character code; what is no letter of the alphabet is negative. */
const VALUES = new Int8Array(128).fill(-1)
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value

/** Base64url without padding (docs/protocol.md section 3). */
export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 6) {
      bits -= 6
      text += ALPHABET[(held >> bits) & 63]
    }
  }
  return bits > 0 ? text + ALPHABET[(held << (6 - bits)) & 63] : text
}

/** Only the one spelling that `toBase64url` gives. @throws OrthrusError `malformed` */
export function fromBase64url(text: string): Uint8Array {
  if (text.length % 4 === 1) throw malformed('base64url of an impossible length')
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let held = 0
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)] ?? -1
    if (value < 0) throw malformed('a character outside base64url')
    held = ((held << 6) | value) & 0xfff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[length++] = (held >> bits) & 0xff
    }
  }
  if ((held & ((1 << bits) - 1)) !== 0) throw malformed('base64url that is not canonical')
  return bytes
}
