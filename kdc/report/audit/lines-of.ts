import { AUDIT_LINE_BYTES } from '../../../shared/administration/audit-line.js'
import { plainFile } from './files.js'

const PIECE_BYTES = 64 * 1024
const LINE_FEED = 0x0a

export interface StoredLine {
  /** Without its end. */
  readonly bytes: Uint8Array
  /** Where it begins in its file, and where the next one does. */
  readonly offset: number
  readonly end: number
  /** Whether it has its end: without it the line was cut off, or is being written. */
  readonly isWhole: boolean
}

/**
 * The lines of a file from an offset on. What is longer than any line of an audit log comes in pieces, of which none is
 * whole but the last: memory stays bounded whatever the file is.
 * @throws the system's error
 */
export async function* linesOf(path: string, from = 0): AsyncGenerator<StoredLine> {
  const file = await plainFile(path)
  try {
    let kept: Buffer = Buffer.alloc(0)
    let offset = from
    for (;;) {
      const piece = Buffer.alloc(PIECE_BYTES)
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset + kept.length)
      if (bytesRead === 0) break
      const block = Buffer.concat([kept, piece.subarray(0, bytesRead)])
      let start = 0
      for (let end = block.indexOf(LINE_FEED); end >= 0; end = block.indexOf(LINE_FEED, start)) {
        yield {
          bytes: block.subarray(start, end),
          offset: offset + start,
          end: offset + end + 1,
          isWhole: true,
        }
        start = end + 1
      }
      kept = block.subarray(start)
      offset += start
      if (kept.length > 2 * AUDIT_LINE_BYTES) {
        yield { bytes: kept, offset, end: offset + kept.length, isWhole: false }
        offset += kept.length
        kept = Buffer.alloc(0)
      }
    }
    if (kept.length > 0) yield { bytes: kept, offset, end: offset + kept.length, isWhole: false }
  } finally {
    await file.close()
  }
}
