import {
  type OpenedApart,
  openApart,
  openRecord,
  type SealedApart,
  sealApart,
  sealInPlace,
} from '#primitives'

/** How the records of channels and sealed bodies are sealed (docs/protocol.md section 9). */

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
