import { randomBytes } from '#primitives'
import { requireBytes } from '../bytes.js'

/** Draws that many bytes. Tests pass their own; everything else is the platform's generator. */
export type RandomSource = (length: number) => Uint8Array

export const systemRandom: RandomSource = randomBytes

/** A caller's own source, held to what it promises: what is no bytes, or too few, would be a key or nonce that is none. */
export function checkedRandom(random: RandomSource): RandomSource {
  if (random === systemRandom) return random
  return length => {
    const bytes: unknown = random(length)
    requireBytes(bytes, 'what a random source draws')
    if (bytes.length === length) return bytes
    throw new TypeError(`a random source drew ${bytes.length} bytes in place of ${length}`)
  }
}
