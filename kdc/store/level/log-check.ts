import { crc32c, masked } from './crc32c.js'
import { Cursor } from './cursor.js'
import { decodeTally, TALLY_KEY } from './tally.js'

/**
 * Reads which commits a log of LevelDB has. LevelDB skips what is damaged in a log without a word, and goes on behind
 * it; this stops there.
 *
 * A log is blocks of 32 KiB. In them are the batches, each in one part or in several: a checksum, a length, which part
 * it is, and the bytes. A batch is a number of its own, how many entries it has, and the entries. The last one of ours
 * writes the tally, which has the number of the commit.
 */

const BLOCK_BYTES = 32 * 1024
/** Checksum, length and kind. */
const HEADER_BYTES = 7
const PART = { WHOLE: 1, FIRST: 2, LAST: 4 } as const
const BATCH_HEAD_BYTES = 12
const PUT = 1

/** The numbers of the commits, in their order, from the start of the log to its end or to what is no commit. */
export function commitsInLog(file: Uint8Array): number[] {
  const log = Buffer.from(file.buffer, file.byteOffset, file.length)
  const commits: number[] = []
  try {
    for (const batch of batchesIn(log)) {
      const commit = commitOf(batch)
      if (commit === undefined) break
      commits.push(commit)
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  return commits
}

/** @throws RangeError for what leads out of the log */
function* batchesIn(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] = []
  for (let at = 0; ; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    // No part begins in the last bytes of a block.
    if (left < HEADER_BYTES) at += left
    const part = partAt(log, at)
    if (part === undefined) return
    const { kind, bytes } = part
    const begins = kind === PART.WHOLE || kind === PART.FIRST
    if (begins !== (parts.length === 0)) return
    parts.push(bytes)
    at += HEADER_BYTES + bytes.length
    if (kind !== PART.WHOLE && kind !== PART.LAST) continue
    yield Buffer.concat(parts)
    parts = []
  }
}

/** @returns `undefined` if it is not as it was written */
function partAt(log: Buffer, at: number): { readonly kind: number; readonly bytes: Buffer } | undefined {
  const checksum = log.readUInt32LE(at)
  const length = log.readUInt16LE(at + 4)
  const end = at + HEADER_BYTES + length
  if (end > log.length || (at % BLOCK_BYTES) + HEADER_BYTES + length > BLOCK_BYTES) return undefined
  // The checksum is of the kind, too.
  if (masked(crc32c(log.subarray(at + 6, end))) !== checksum) return undefined
  return { kind: log.readUInt8(at + 6), bytes: log.subarray(at + HEADER_BYTES, end) }
}

/** @returns `undefined` for a batch that does not end with a tally, as each of ours does */
function commitOf(batch: Buffer): number | undefined {
  const cursor = new Cursor(batch, BATCH_HEAD_BYTES)
  let last: Buffer | undefined
  for (let entries = batch.readUInt32LE(BATCH_HEAD_BYTES - 4); entries > 0; entries--) {
    const [tag] = cursor.bytes(1)
    const key = cursor.bytes(cursor.number())
    const value = tag === PUT ? cursor.bytes(cursor.number()) : undefined
    last = key.toString('latin1') === TALLY_KEY ? value : undefined
  }
  if (cursor.offset !== batch.length || last === undefined) return undefined
  return decodeTally(last)?.commits
}
