import type { RandomSource } from '../../shared/crypto/random.js'

/** The same source, which reports each key that is drawn. */
export function watchedRandom(random: RandomSource, drawn: (key: Uint8Array) => void): RandomSource {
  return length => {
    const bytes = random(length)
    if (length === 32) drawn(bytes.slice())
    return bytes
  }
}
