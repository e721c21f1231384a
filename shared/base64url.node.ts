import { malformed } from './errors.js'

/** The functions of `base64url.ts` on Node's own: the same bytes and texts, faster. */

export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}

export function fromBase64url(text: string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text, 'base64url')
  const bytes = new Uint8Array(buffer, byteOffset, length)
  // Node passes over what is no base64url, and takes other spellings.
  if (toBase64url(bytes) !== text) throw malformed('no base64url, or not in its one spelling')
  return bytes
}
