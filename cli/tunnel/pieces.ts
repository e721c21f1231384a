import { HeldBytes } from '../../shared/channel/held-bytes.js'
import { PAYLOAD_BYTES } from '../../shared/channel/record.js'

/**
 * Bytes as they are read, cut into pieces of at most one record. A socket that has much to read gives 64 KiB at a time,
 * a little more than a record has room for. The end of such a read waits for the next one, which comes in the same turn
 * of the event loop: one more record for a few bytes would cost as much as for many. At the end of the turn it is sent.
 */
export class Pieces {
  readonly #send: (piece: Uint8Array) => void
  readonly #held = new HeldBytes()
  #turnEnd: NodeJS.Immediate | undefined

  /** @param send takes a piece, whose memory may be used again once it returns */
  constructor(send: (piece: Uint8Array) => void) {
    this.#send = send
  }

  add(bytes: Uint8Array): void {
    if (this.#held.length === 0 && bytes.length <= PAYLOAD_BYTES) {
      this.#send(bytes)
      return
    }
    let rest = this.#held.length > 0 ? this.#fill(bytes) : bytes
    while (rest.length >= PAYLOAD_BYTES) {
      this.#send(rest.subarray(0, PAYLOAD_BYTES))
      rest = rest.subarray(PAYLOAD_BYTES)
    }
    if (rest.length === 0) return
    this.#held.append(rest)
    this.#turnEnd ??= setImmediate(() => this.flush())
  }

  /** Sends what waits. */
  flush(): void {
    if (this.#turnEnd !== undefined) clearImmediate(this.#turnEnd)
    this.#turnEnd = undefined
    if (this.#held.length > 0) this.#send(this.#held.take())
  }

  /** Fills up what waits. @returns what is left */
  #fill(bytes: Uint8Array): Uint8Array {
    const room = PAYLOAD_BYTES - this.#held.length
    if (bytes.length < room) return bytes
    this.#held.append(bytes.subarray(0, room))
    this.#send(this.#held.take())
    return bytes.subarray(room)
  }
}
