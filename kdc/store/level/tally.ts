import { hash } from 'node:crypto'

/**
 * The tally that a whole database must match. LevelDB, as it is packaged, skips damaged log records, reads tables
 * without their checksums and trusts a manifest that was cut off, and so opens with records missing. So each commit
 * also writes the number of commits and the sum of all records in the same atomic batch, and opening adds them up and
 * compares.
 */
export interface Tally {
  /** How many commits there were. */
  readonly commits: number
  /**
   * The exclusive or of the SHA-256 of every record, so that a record can be removed from it in the way it was added.
   */
  readonly sum: Uint8Array
}

const SUM_BYTES = 32
const COMMITS_BYTES = 6

/** A key that no record has, since theirs contain NUL. */
export const TALLY_KEY = 'tally'

export const EMPTY_TALLY: Tally = { commits: 0, sum: new Uint8Array(SUM_BYTES) }

/** Adds a record to the sum, or removes it again. */
export function toggleRecord(sum: Uint8Array, key: string, stored: Uint8Array): void {
  const digest = hash('sha256', Buffer.concat([Buffer.from(`${key.length} ${key}`), stored]), 'buffer')
  for (let i = 0; i < SUM_BYTES; i++) sum[i] = (sum[i] as number) ^ (digest[i] as number)
}

/** Commits as 6 bytes, big-endian, then the sum. */
export function encodeTally({ commits, sum }: Tally): Uint8Array {
  const bytes = new Uint8Array(COMMITS_BYTES + SUM_BYTES)
  Buffer.from(bytes.buffer).writeUIntBE(commits, 0, COMMITS_BYTES)
  bytes.set(sum, COMMITS_BYTES)
  return bytes
}

/** `undefined` if the bytes are not a tally. */
export function decodeTally(bytes: Uint8Array): Tally | undefined {
  if (bytes.length !== COMMITS_BYTES + SUM_BYTES) return undefined
  const commits = Buffer.from(bytes).readUIntBE(0, COMMITS_BYTES)
  // A copy: what a Buffer slices stays the same memory.
  return { commits, sum: new Uint8Array(bytes.subarray(COMMITS_BYTES)) }
}
