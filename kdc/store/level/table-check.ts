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
    const [filters, data] = [footer.block(), footer.block()]
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
      blocks.push(cursor.block())
    }
    return blocks
  }
}

class Cursor {
  readonly #file: Buffer
  offset: number

  constructor(file: Buffer, offset: number) {
    this.#file = file
    this.offset = offset
  }

  block(): Block {
    return { offset: this.number(), size: this.number() }
  }

  /** Seven bits a byte, the lowest first. */
  number(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#file.readUInt8(this.offset++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
}

/** How many bytes are read at a time; the first table is for the last of them. */
const STRIDE = 8
const CRC32C = makeTables()

function makeTables(): Uint32Array {
  const tables = new Uint32Array(STRIDE * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256] as number
    tables[i] = (tables[before & 0xff] as number) ^ (before >>> 8)
  }
  return tables
}

/**
 * The "slicing" method. All of a database is read at each start, and one byte at a time takes several times as long.
 */
function crc32c(bytes: Uint8Array): number {
  const at = (table: number, byte: number): number => CRC32C[table * 256 + byte] as number
  const byteAt = (i: number): number => bytes[i] as number
  let crc = -1
  let i = 0
  for (; i + STRIDE <= bytes.length; i += STRIDE) {
    crc =
      at(7, byteAt(i) ^ (crc & 0xff)) ^
      at(6, byteAt(i + 1) ^ ((crc >>> 8) & 0xff)) ^
      at(5, byteAt(i + 2) ^ ((crc >>> 16) & 0xff)) ^
      at(4, byteAt(i + 3) ^ (crc >>> 24)) ^
      at(3, byteAt(i + 4)) ^
      at(2, byteAt(i + 5)) ^
      at(1, byteAt(i + 6)) ^
      at(0, byteAt(i + 7))
  }
  for (; i < bytes.length; i++) crc = at(0, byteAt(i) ^ (crc & 0xff)) ^ (crc >>> 8)
  return ~crc >>> 0
}

/** LevelDB masks checksums like this, because a checksum of bytes that contain checksums would be too regular. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
