import { sealCounted as sealCountedInPlace } from '../../shared/crypto/seal-counted.js'

/** A tag of ChaCha20-Poly1305, bytes. */
const TAG_BYTES = 16

/** What seals in the memory of a message, given a copy of the message. @returns ciphertext and tag */
export function sealedCopy(message: Uint8Array, sealInPlace: (room: Uint8Array) => void): Uint8Array {
  const room = new Uint8Array(message.length + TAG_BYTES)
  room.set(message)
  sealInPlace(room)
  return room
}

/** As a record's ciphertext and tag. */
export function sealCounted(
  key: Uint8Array,
  counter: number,
  aad: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  return sealedCopy(message, room => sealCountedInPlace(key, counter, aad, room))
}
