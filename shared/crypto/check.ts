import { sha256 } from '#primitives'
import { SIZE } from '../constants.js'

/** 4 bytes at the end of a text that people copy. They show that it was cut off or mistyped, and protect nothing. */
export function checkOf(...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(...parts).subarray(0, SIZE.CHECK)
}
