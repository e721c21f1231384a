import type { RandomSource } from '../../shared/crypto/random.js'

/** Bytes that only look random: a run that failed fails again. */
export function seededRandom(seed: number): RandomSource {
  let state = (seed ^ 0x9e3779b9) | 1
  return length => {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      bytes[i] = state >>> 11
    }
    return bytes
  }
}

/** The same, telling of each key that is drawn. */
export function watchedRandom(random: RandomSource, drawn: (key: Uint8Array) => void): RandomSource {
  return length => {
    const bytes = random(length)
    if (length === 32) drawn(bytes.slice())
    return bytes
  }
}
