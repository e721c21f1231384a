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
 * The checksum of LevelDB's files (Castagnoli), by the "slicing" method. All of a database is read at each start, and one
 * byte at a time takes several times as long.
 */
export function crc32c(bytes: Uint8Array): number {
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
export function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
