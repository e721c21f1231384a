/** Reads the numbers of LevelDB's files, from a place in one of them on. All throw RangeError beyond its end. */
export class Cursor {
  readonly #file: Buffer
  offset: number

  constructor(file: Buffer, offset: number) {
    this.#file = file
    this.offset = offset
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

  /** That many bytes, in the memory of the file. */
  bytes(length: number): Buffer {
    const end = this.offset + length
    if (end > this.#file.length) throw new RangeError('beyond the end of the file')
    const bytes = this.#file.subarray(this.offset, end)
    this.offset = end
    return bytes
  }
}
