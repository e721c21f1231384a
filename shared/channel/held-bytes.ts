const FIRST_BYTES = 256
const NOTHING = new Uint8Array()

/** Bytes that wait for more. Their memory grows as they do, and is used again. */
export class HeldBytes {
  #room: Uint8Array = NOTHING
  #length = 0

  get length(): number {
    return this.#length
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length
    if (length > this.#room.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#room.length, FIRST_BYTES))
      larger.set(this.#room.subarray(0, this.#length))
      this.#room = larger
    }
    this.#room.set(bytes, this.#length)
    this.#length = length
  }

  /** All of them. The next `append` overwrites them. */
  take(): Uint8Array {
    const bytes = this.#room.subarray(0, this.#length)
    this.#length = 0
    return bytes
  }
}
