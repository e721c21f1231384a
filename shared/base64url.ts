import { malformed } from './errors.js'

/** Base64url without padding (docs/protocol.md section 3). */
export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Accepts only the spelling that `toBase64url` produces. @throws OrthrusError `malformed` */
export function fromBase64url(text: string): Uint8Array {
  // The platform takes more: padding, white space, and bits that stand for nothing.
  if (!/^[\w-]*$/.test(text)) throw malformed('a character outside base64url')
  if (text.length % 4 === 1) throw malformed('base64url whose length is impossible')
  const decoded = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(decoded, character => character.charCodeAt(0))
  if (toBase64url(bytes) !== text) throw malformed('base64url that is not canonical')
  return bytes
}
