import {
  createCipheriv,
  createDecipheriv,
  hash,
  scrypt as nodeScrypt,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto'
import { hchacha } from '@noble/ciphers/chacha.js'
import { concatBytes } from '../bytes.js'
import type { ScryptParameters } from './primitives.js'

/** The functions of `primitives.ts` on Node's OpenSSL: the same bytes, faster. */

export type { ScryptParameters } from './primitives.js'

const TAG_BYTES = 16
const SIGMA = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])

/** OpenSSL answers with a `Buffer`; callers are promised a plain `Uint8Array`, which prints and compares as one. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** One call into OpenSSL a digest: making a hash object costs more than hashing what we hash. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const message = parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(...parts)
  return plain(hash('sha256', message, 'buffer'))
}

const BLOCK_BYTES = 64
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c

/** HMAC of RFC 2104 over the same one-shot digest. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const block = key.length > BLOCK_BYTES ? sha256(key) : key
  const inner = padded(block, INNER_PAD, parts)
  const outer = padded(block, OUTER_PAD, [hash('sha256', inner, 'buffer')])
  return plain(hash('sha256', outer, 'buffer'))
}

function padded(key: Uint8Array, pad: number, parts: readonly Uint8Array[]): Uint8Array {
  let length = BLOCK_BYTES
  for (const part of parts) length += part.length
  const padded = new Uint8Array(length)
  for (let i = 0; i < BLOCK_BYTES; i++) padded[i] = (i < key.length ? (key[i] as number) : 0) ^ pad
  let offset = BLOCK_BYTES
  for (const part of parts) {
    padded.set(part, offset)
    offset += part.length
  }
  return padded
}

export function sealRecord(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad, { plaintextLength: message.length })
  const sealed = new Uint8Array(message.length + TAG_BYTES)
  sealed.set(cipher.update(message))
  cipher.final()
  sealed.set(cipher.getAuthTag(), message.length)
  return sealed
}

export function openRecord(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES
  if (length < 0) return undefined
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(sealed.subarray(length))
  decipher.setAAD(aad, { plaintextLength: length })
  const message = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return plain(message)
}

export function sealExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const inner = extend(key, nonce)
  return sealRecord(inner.key, inner.nonce, aad, message)
}

export function openExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const inner = extend(key, nonce)
  return openRecord(inner.key, inner.nonce, aad, sealed)
}

// A view of 32-bit words needs an aligned start, which a slice of a message has not.
const keyBytes = new Uint8Array(32)
const keyWords = new Uint32Array(keyBytes.buffer)
const nonceBytes = new Uint8Array(16)
const nonceWords = new Uint32Array(nonceBytes.buffer)

/** XChaCha20: HChaCha20 of key and the nonce's first 16 bytes is the key, four zero bytes and the rest the nonce. */
function extend(key: Uint8Array, nonce: Uint8Array): { key: Uint8Array; nonce: Uint8Array } {
  keyBytes.set(key)
  nonceBytes.set(nonce.subarray(0, 16))
  const subkey = new Uint8Array(32)
  hchacha(SIGMA, keyWords, nonceWords, new Uint32Array(subkey.buffer))
  const inner = new Uint8Array(12)
  inner.set(nonce.subarray(16), 4)
  return { key: subkey, nonce: inner }
}

export function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  { log2N, r, p }: ScryptParameters,
  length: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    nodeScrypt(password, salt, length, { N: 2 ** log2N, r, p, maxmem: 2 ** 31 }, (error, key) => {
      if (error) reject(error)
      else resolve(plain(key))
    })
  })
}

/** Drawn ahead, a block at a time: a call into the generator costs as much for 24 bytes as for some hundred. */
const drawn = new Uint8Array(2048)
let used = drawn.length

export function randomBytes(length: number): Uint8Array {
  if (length > drawn.length / 4) return randomFillSync(new Uint8Array(length))
  if (used + length > drawn.length) {
    randomFillSync(drawn)
    used = 0
  }
  const bytes = drawn.slice(used, used + length)
  // What was handed out once stays nowhere else.
  drawn.fill(0, used, used + length)
  used += length
  return bytes
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
