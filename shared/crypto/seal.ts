import { openExtended, sealExtended } from '#primitives'
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
