/** How many bytes are read at a time; the first table is for the last of them. */
const STRIDE = 16
const TABLE = 256
const CRC32C = makeTables()

function makeTables(): Int32Array {
  const tables = new Int32Array(STRIDE * TABLE)
  for (let byte = 0; byte < TABLE; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    tables[byte] = crc
  }
  for (let i = TABLE; i < tables.length; i++) {
    const before = tables[i - TABLE] as number
    tables[i] = (tables[before & 0xff] as number) ^ (before >>> 8)
  }
  return tables
}

/** What a word of four bytes adds, of which the last one has this many behind it. */
function wordAt(word: number, behind: number): number {
  return (
    (CRC32C[(behind + 3) * TABLE + (word & 0xff)] as number) ^
    (CRC32C[(behind + 2) * TABLE + ((word >>> 8) & 0xff)] as number) ^
    (CRC32C[(behind + 1) * TABLE + ((word >>> 16) & 0xff)] as number) ^
    (CRC32C[behind * TABLE + (word >>> 24)] as number)
  )
}

/**
 * The checksum of LevelDB's files (Castagnoli), by the "slicing" method. All of a database is read at each start, and one
 * byte at a time takes several times as long, eight at a time half as long again.
 */
export function crc32c(bytes: Uint8Array): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let crc = -1
  let i = 0
  for (; i + STRIDE <= bytes.length; i += STRIDE) {
    crc =
      wordAt(words.getInt32(i, true) ^ crc, 12) ^
      wordAt(words.getInt32(i + 4, true), 8) ^
      wordAt(words.getInt32(i + 8, true), 4) ^
      wordAt(words.getInt32(i + 12, true), 0)
  }
  for (; i < bytes.length; i++) crc = (CRC32C[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}

/** LevelDB masks checksums like this, because a checksum of bytes that contain checksums would be too regular. */
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
