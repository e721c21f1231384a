import { crc32c, masked } from './crc32c.js'
import { Cursor } from './cursor.js'

/**
 * Checks whether a table file of LevelDB is as it was written. LevelDB, as it is packaged, reads tables without
 * checking their checksums, and a damaged table can end the whole process.
 *
 * A table is blocks without gaps: data, a filter, an index of filters, an index of data; then a footer that says where
 * the two indexes are. After each block come its type and a checksum. Our blocks are never compressed.
 */

const FOOTER_BYTES = 48
const MAGIC = 0xdb4775248b80fb57n
/** Type and checksum. */
const TRAILER_BYTES = 5
const UNCOMPRESSED = 0

interface Block {
  readonly offset: number
  readonly size: number
}

/** Every byte is checked: each is under a checksum, or is in a footer that has only one right form. */
export function isWholeTable(file: Uint8Array): boolean {
  try {
    const table = new Table(file)
    return table.isWhole()
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

class Table {
  readonly #file: Buffer

  constructor(file: Uint8Array) {
    this.#file = Buffer.from(file.buffer, file.byteOffset, file.length)
  }

  /** @throws RangeError if a number leads out of the file */
  isWhole(): boolean {
    const end = this.#file.length - FOOTER_BYTES
    const footer = new Cursor(this.#file, end)
    const [filters, data] = [blockAt(footer), blockAt(footer)]
    if (this.#file.readBigUInt64LE(end + 40) !== MAGIC) return false
    if (this.#file.subarray(footer.offset, end + 40).some(byte => byte !== 0)) return false
    if (!this.#isIntact(filters) || !this.#isIntact(data)) return false
    let offset = 0
    for (const block of [...this.#blocksIn(data), ...this.#blocksIn(filters), filters, data]) {
      if (block.offset !== offset || !this.#isIntact(block)) return false
      offset += block.size + TRAILER_BYTES
    }
    return offset === end
  }

  #isIntact({ offset, size }: Block): boolean {
    const type = offset + size
    const checksum = this.#file.readUInt32LE(type + 1)
    if (this.#file.readUInt8(type) !== UNCOMPRESSED) return false
    return masked(crc32c(this.#file.subarray(offset, type + 1))) === checksum
  }

  /**
   * An index has a block for the value of each entry: the lengths of the shared key, the rest of the key and the value,
   * then the bytes.
   */
  #blocksIn({ offset, size }: Block): Block[] {
    const restarts = this.#file.readUInt32LE(offset + size - 4)
    const end = offset + size - 4 - 4 * restarts
    const blocks: Block[] = []
    const cursor = new Cursor(this.#file, offset)
    while (cursor.offset < end) {
      cursor.number()
      const key = cursor.number()
      cursor.number()
      cursor.offset += key
      blocks.push(blockAt(cursor))
    }
    return blocks
  }
}

function blockAt(cursor: Cursor): Block {
  return { offset: cursor.number(), size: cursor.number() }
}
