import {
  type OpenedApart,
  openApart,
  openExtended,
  openRecord,
  type SealedApart,
  sealApart,
  sealExtended,
  sealInPlace,
} from '#primitives'
import { concatBytes } from '../bytes.js'
import { SIZE } from '../constants.js'
import { expand } from './derive.js'
import type { AnyKey } from './keys.js'
import type { RandomSource } from './random.js'

/** `seal(expand(K, usage), aad, m)` of docs/protocol.md section 2: `nonce || ciphertext || tag`. */
export function seal<K extends AnyKey>(
  key: K,
  usage: K['usage'],
  aad: Uint8Array,
  message: Uint8Array,
  random: RandomSource,
): Uint8Array {
  return sealWith(expand(key, usage), aad, message, random)
}

/** The message, or `undefined` if the box was not sealed with this key, usage and aad. */
export function open<K extends AnyKey>(
  key: K,
  usage: K['usage'],
  aad: Uint8Array,
  box: Uint8Array,
): Uint8Array | undefined {
  return openWith(expand(key, usage), aad, box)
}

/** As `seal`, under bytes that serve only this purpose and are not a key of the protocol: the KDC's master key. */
export function sealWith(
  key: Uint8Array,
  aad: Uint8Array,
  message: Uint8Array,
  random: RandomSource,
): Uint8Array {
  const nonce = random(SIZE.SEAL_NONCE)
  return concatBytes(nonce, sealExtended(key, nonce, aad, message))
}

export function openWith(key: Uint8Array, aad: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  if (box.length < SIZE.SEAL_NONCE + SIZE.TAG) return undefined
  return openExtended(key, box.subarray(0, SIZE.SEAL_NONCE), aad, box.subarray(SIZE.SEAL_NONCE))
}

/**
 * Makes a record's ciphertext and tag in the memory of its plaintext, under the key of one direction of a channel. The
 * nonce is the counter (section 9).
 * @param room the plaintext, and behind it as many bytes as a tag has
 */
export function sealCounted(key: Uint8Array, counter: number, aad: Uint8Array, room: Uint8Array): void {
  sealInPlace(key, counterNonce(counter), aad, room)
}

export function openCounted(
  key: Uint8Array,
  counter: number,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return openRecord(key, counterNonce(counter), aad, sealed)
}

/** As `sealCounted`, for a large plaintext, which is not copied. @param head of the plaintext */
export function sealCountedApart(
  key: Uint8Array,
  counter: number,
  aad: Uint8Array,
  head: Uint8Array,
  rest: Uint8Array,
): SealedApart {
  return sealApart(key, counterNonce(counter), aad, head, rest)
}

/** As `openCounted`, for a large record: so many bytes of its plaintext, and the rest in memory of its own. */
export function openCountedApart(
  key: Uint8Array,
  counter: number,
  aad: Uint8Array,
  sealed: Uint8Array,
  headBytes: number,
): OpenedApart | undefined {
  return openApart(key, counterNonce(counter), aad, sealed, headBytes)
}

// Reused between calls, as the ciphers copy it.
const nonce = new Uint8Array(12)
const nonceView = new DataView(nonce.buffer)

/** Four zero bytes, then the counter as 8 bytes, big-endian. The next call overwrites the result. */
function counterNonce(counter: number): Uint8Array {
  if (!Number.isSafeInteger(counter)) throw new TypeError("the channel's counter is exhausted")
  nonceView.setUint32(4, Math.floor(counter / 2 ** 32))
  nonceView.setUint32(8, counter % 2 ** 32)
  return nonce
}
