import { equalBytes, hmacSha256 } from '#primitives'
import { concatBytes } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { type MasterKey, revealMasterKey } from './master-key.js'

/** What a master key does besides sealing records. Each use has a label of its own. */

const MAC_LABEL = 'orthrus backup 1'
const MARK_LABEL = 'orthrus master key mark 1'
const MARK_BYTES = 8

/** The digest, SHA-256 of everything before it, and the MAC of the digest. */
export const PROOF_BYTES = SIZE.DIGEST + SIZE.MAC

const text = new TextEncoder()

/** The end of a backup, which shows that it is whole, and that a KDC made it that has the key. */
export function proofOf(key: MasterKey, digest: Uint8Array): Uint8Array {
  return concatBytes(digest, macOf(key, digest))
}

/**
 * Compares in constant time.
 * @param digest of what was read
 * @returns whether it was altered or, if it was not, whether another key made it
 */
export function judgeProof(
  key: MasterKey,
  digest: Uint8Array,
  proof: Uint8Array,
): 'right' | 'altered' | 'other key' {
  if (!equalBytes(digest, proof.subarray(0, SIZE.DIGEST))) return 'altered'
  return equalBytes(macOf(key, digest), proof.subarray(SIZE.DIGEST)) ? 'right' : 'other key'
}

/** The part of `judgeProof` that needs no key. @param proof cut off, or whole */
export function isDigestOf(digest: Uint8Array, proof: Uint8Array): boolean {
  return proof.length === PROOF_BYTES && equalBytes(digest, proof.subarray(0, SIZE.DIGEST))
}

/** 8 bytes that say which key it is, and nothing about its bytes. */
export function markOf(key: MasterKey): Uint8Array {
  return hmacSha256(revealMasterKey(key), text.encode(MARK_LABEL)).slice(0, MARK_BYTES)
}

function macOf(key: MasterKey, digest: Uint8Array): Uint8Array {
  return hmacSha256(hmacSha256(revealMasterKey(key), text.encode(MAC_LABEL)), digest)
}
