import { requireBytes } from '../bytes.js'

/** The bytes of a message that a program sends. @throws TypeError for anything but bytes and well-formed text */
export function bytesOf(message: unknown): Uint8Array {
  if (typeof message !== 'string') {
    requireBytes(message, 'a message')
    return message
  }
  if (message.isWellFormed()) return new TextEncoder().encode(message)
  throw new TypeError('a text with lone surrogates cannot be sent')
}

/** The program may keep a message for long, and must not see what else is in the memory that it was opened in. */
export function ownBytes(message: Uint8Array): Uint8Array {
  return message.buffer.byteLength === message.length ? message : new Uint8Array(message)
}
