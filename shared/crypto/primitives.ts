import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { scryptAsync as nobleScrypt } from '@noble/hashes/scrypt.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'

/** The portable implementation of docs/protocol.md section 2. `primitives.node.ts` has the same functions. */

const TAG_BYTES = 16

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = nobleSha256.create()
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const ascii = new TextEncoder()

/** SHA-256 of a text that is ASCII throughout, which the caller made sure of. */
export function sha256Ascii(text: string): Uint8Array {
  return nobleSha256(ascii.encode(text))
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = hmac.create(nobleSha256, key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** XChaCha20-Poly1305: the ciphertext followed by its tag. */
export function sealExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  return xchacha20poly1305(key, nonce, aad).encrypt(message)
}

/** The message, or `undefined` if the tag does not match. */
export function openExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return attempt(() => xchacha20poly1305(key, nonce, aad).decrypt(sealed))
}

/**
 * ChaCha20-Poly1305 of RFC 8439: the ciphertext followed by its tag, in the memory of the message.
 * @param room the message, and behind it as many bytes as a tag has
 */
export function sealInPlace(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, room: Uint8Array): void {
  const message = room.subarray(0, room.length - TAG_BYTES)
  room.set(chacha20poly1305(key, nonce, aad).encrypt(message))
}

/** The message, or `undefined` if the tag does not match. */
export function openRecord(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return attempt(() => chacha20poly1305(key, nonce, aad).decrypt(sealed))
}

function attempt(open: () => Uint8Array): Uint8Array | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

export interface ScryptParameters {
  readonly log2N: number
  readonly r: number
  readonly p: number
}

export function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  { log2N, r, p }: ScryptParameters,
  length: number,
): Promise<Uint8Array> {
  return nobleScrypt(password, salt, { N: 2 ** log2N, r, p, dkLen: length, maxmem: 2 ** 31 })
}

/** From the platform's generator only. */
export function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}

/** Compares in a time that depends on the lengths alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
