import { createSecretKey, type KeyObject } from 'node:crypto'

/** A key in the form in which this version of Node makes a cipher with it soonest. */
export type CipherKey = Uint8Array | KeyObject

/** From this major version on, a cipher takes long for a key that is given as bytes: 13 µs, and 3 with a `KeyObject`. */
const BYTES_ARE_SLOW = 24

/**
 * The form of keys for ciphers under that version of Node. Before 24 a `KeyObject` that is used once costs more than it
 * saves. The cipher is the same, and makes the same bytes.
 * @param version as `process.versions.node`
 */
export function cipherKeyFor(version: string): (key: Uint8Array) => CipherKey {
  return Number.parseInt(version, 10) >= BYTES_ARE_SLOW ? key => createSecretKey(key) : key => key
}
