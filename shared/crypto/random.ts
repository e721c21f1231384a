import { randomBytes } from '#primitives'
import { requireBytes } from '../bytes.js'

/** Draws that many bytes. Tests pass their own source; everything else uses the platform's generator. */
export type RandomSource = (length: number) => Uint8Array

export const systemRandom: RandomSource = randomBytes

/** Checks what a caller's own source returns: anything but the bytes asked for would make a weak key or nonce. */
export function checkedRandom(random: RandomSource): RandomSource {
  if (random === systemRandom) return random
  return length => {
    const bytes: unknown = random(length)
    requireBytes(bytes, 'what a random source draws')
    if (bytes.length === length) return bytes
    throw new TypeError(`a random source drew ${bytes.length} bytes instead of ${length}`)
  }
}
