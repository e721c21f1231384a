import {
  createCipheriv,
  createDecipheriv,
  hash,
  scrypt as nodeScrypt,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto'
import { hchacha } from '@noble/ciphers/chacha.js'
import { allocateBriefly, concatBytes } from '../bytes.js'
import { cipherKeyFor } from './cipher-key.node.js'
import type { OnProgress, OpenedApart, ScryptParameters, SealedApart } from './primitives.js'

/** The functions of `primitives.ts` on Node's OpenSSL: the same bytes, faster. */

export type { OnProgress, OpenedApart, ScryptParameters, SealedApart } from './primitives.js'

const TAG_BYTES = 16
const TAGGED = { authTagLength: TAG_BYTES } as const
const cipherKey = cipherKeyFor(process.versions.node)
const SIGMA = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])

/** OpenSSL returns a `Buffer`. Callers are promised a plain `Uint8Array`, which prints and compares as one. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/**
 * One call into OpenSSL per digest, because creating a hash object costs more than hashing inputs of our size. The
 * result is text with one character per byte, because a `Buffer` would double the cost. Nothing keeps the text.
 */
function digest(message: Uint8Array): string {
  return hash('sha256', message, 'binary')
}

function writeDigest(target: Uint8Array, offset: number, text: string): Uint8Array {
  for (let i = 0; i < DIGEST_BYTES; i++) target[offset + i] = text.charCodeAt(i)
  return target
}

/** SHA-256 of a text that is ASCII throughout, which the caller made sure of. */
export function sha256Ascii(text: string): Uint8Array {
  return writeDigest(new Uint8Array(DIGEST_BYTES), 0, hash('sha256', text, 'binary'))
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const message = parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(...parts)
  return writeDigest(new Uint8Array(DIGEST_BYTES), 0, digest(message))
}

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c

/** Messages of ordinary size are assembled here, one at a time. */
const workspace = new Uint8Array(4096)
const outerWorkspace = new Uint8Array(BLOCK_BYTES + DIGEST_BYTES)

/** HMAC (RFC 2104) on top of the same one-shot digest. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const block = key.length > BLOCK_BYTES ? sha256(key) : key
  let length = BLOCK_BYTES
  for (const part of parts) length += part.length
  const message = length > workspace.length ? new Uint8Array(length) : workspace.subarray(0, length)
  pad(message, block, INNER_PAD)
  let offset = BLOCK_BYTES
  for (const part of parts) {
    message.set(part, offset)
    offset += part.length
  }
  pad(outerWorkspace, block, OUTER_PAD)
  writeDigest(outerWorkspace, BLOCK_BYTES, digest(message))
  return writeDigest(new Uint8Array(DIGEST_BYTES), 0, digest(outerWorkspace))
}

function pad(target: Uint8Array, key: Uint8Array, byte: number): void {
  for (let i = 0; i < key.length; i++) target[i] = (key[i] as number) ^ byte
  target.fill(byte, key.length, BLOCK_BYTES)
}

function sealRecord(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, message: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', cipherKey(key), nonce, TAGGED)
  cipher.setAAD(aad, { plaintextLength: message.length })
  const sealed = allocateBriefly(message.length + TAG_BYTES)
  sealed.set(cipher.update(message))
  cipher.final()
  sealed.set(cipher.getAuthTag(), message.length)
  return sealed
}

export function sealInPlace(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, room: Uint8Array): void {
  const length = room.length - TAG_BYTES
  const cipher = createCipheriv('chacha20-poly1305', cipherKey(key), nonce, TAGGED)
  cipher.setAAD(aad, { plaintextLength: length })
  room.set(cipher.update(room.subarray(0, length)))
  cipher.final()
  room.set(cipher.getAuthTag(), length)
}

export function sealApart(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  head: Uint8Array,
  rest: Uint8Array,
): SealedApart {
  const cipher = createCipheriv('chacha20-poly1305', cipherKey(key), nonce, TAGGED)
  cipher.setAAD(aad, { plaintextLength: head.length + rest.length })
  const sealed = { head: cipher.update(head), rest: cipher.update(rest) }
  cipher.final()
  return { ...sealed, tag: cipher.getAuthTag() }
}

export function openRecord(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES
  if (length < 0) return undefined
  const decipher = decipherFor(key, nonce, aad, sealed)
  const message = decipher.update(sealed.subarray(0, length))
  return isWhole(decipher) ? plain(message) : undefined
}

export function openApart(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
  headBytes: number,
): OpenedApart | undefined {
  const length = sealed.length - TAG_BYTES
  if (length < headBytes) return undefined
  const decipher = decipherFor(key, nonce, aad, sealed)
  const head = decipher.update(sealed.subarray(0, headBytes))
  const rest = decipher.update(sealed.subarray(headBytes, length))
  return isWhole(decipher) ? { head: plain(head), rest: plain(rest) } : undefined
}

function decipherFor(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array) {
  const length = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('chacha20-poly1305', cipherKey(key), nonce, TAGGED)
  decipher.setAuthTag(sealed.subarray(length))
  decipher.setAAD(aad, { plaintextLength: length })
  return decipher
}

/** Whether the tag is that of all that was deciphered. Before this is known, nothing of it is handed on. */
function isWhole(decipher: ReturnType<typeof decipherFor>): boolean {
  try {
    decipher.final()
    return true
  } catch {
    return false
  }
}

export function sealExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  extend(key, nonce)
  return sealRecord(inner.key, inner.nonce, aad, message)
}

export function openExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  extend(key, nonce)
  return openRecord(inner.key, inner.nonce, aad, sealed)
}

// Reused between calls, as OpenSSL keeps copies. A view of 32-bit words needs an aligned start, which slices lack. They are
// filled byte by byte: for so few, a call of `set` and a view of the part cost more.
const keyBytes = new Uint8Array(32)
const keyWords = new Uint32Array(keyBytes.buffer)
const nonceBytes = new Uint8Array(16)
const nonceWords = new Uint32Array(nonceBytes.buffer)
const inner = { key: new Uint8Array(32), nonce: new Uint8Array(12) }
const innerWords = new Uint32Array(inner.key.buffer)

/**
 * XChaCha20: the inner key is HChaCha20 of the key and the nonce's first 16 bytes; the inner nonce is four zero bytes
 * and the rest of the nonce. Both are in `inner` until the next call.
 */
function extend(key: Uint8Array, nonce: Uint8Array): void {
  // A shorter input would be completed with leftovers of the previous call.
  if (key.length !== 32 || nonce.length !== 24) throw new TypeError('a key has 32 bytes, a nonce 24')
  for (let i = 0; i < 32; i++) keyBytes[i] = key[i] as number
  for (let i = 0; i < 16; i++) nonceBytes[i] = nonce[i] as number
  hchacha(SIGMA, keyWords, nonceWords, innerWords)
  for (let i = 16; i < 24; i++) inner.nonce[i - 12] = nonce[i] as number
}

export async function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  { log2N, r, p }: ScryptParameters,
  length: number,
  onProgress?: OnProgress,
): Promise<Uint8Array> {
  const key = await new Promise<Buffer>((resolve, reject) => {
    nodeScrypt(password, salt, length, { N: 2 ** log2N, r, p, maxmem: 2 ** 31 }, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
  // OpenSSL tells nothing before.
  onProgress?.(1)
  return plain(key)
}

/** Drawn in advance, a block at a time: a call into the generator costs as much for 24 bytes as for hundreds. */
const drawn = new Uint8Array(2048)
let used = drawn.length
/** By the wall clock: after a snapshot of the machine is restored it has moved on, and the pool is drawn again. */
let drawnAt = 0
const KEPT_MILLISECONDS = 100

export function randomBytes(length: number): Uint8Array {
  if (length > drawn.length / 4) return randomFillSync(new Uint8Array(length))
  const now = Date.now()
  if (used + length > drawn.length || Math.abs(now - drawnAt) > KEPT_MILLISECONDS) {
    randomFillSync(drawn)
    used = 0
    drawnAt = now
  }
  const bytes = drawn.slice(used, used + length)
  // Bytes that were handed out must not remain here.
  drawn.fill(0, used, used + length)
  used += length
  return bytes
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
