import { LIMIT } from '../constants.js'
import { HEADER_BYTES } from '../encoding/message.js'
import { malformed, OrthrusError } from '../errors.js'

/** Frames over plain TCP: `length(4 bytes, big-endian) || message` (docs/protocol.md section 3, "Transport"). */

export const LENGTH_BYTES = 4

export function encodeLengthFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + message.length)
  new DataView(frame.buffer).setUint32(0, message.length)
  frame.set(message, LENGTH_BYTES)
  return frame
}

/** Cuts what comes in, in pieces of any size, into messages. */
export class LengthFrameReader {
  /** The frame that is not whole yet, as much of it as came. Its size is not taken before its length was checked. */
  #frame = new Uint8Array(LENGTH_BYTES)
  #filled = 0
  /** Of the frame, once that is known. */
  #size: number | undefined;

  /**
   * The messages that a piece completes, none of which shares its memory.
   * @throws OrthrusError `too_large` `malformed` for a length that no message has
   */
  *read(piece: Uint8Array): Generator<Uint8Array> {
    let rest = piece
    while (rest.length > 0) {
      const taken = rest.subarray(0, this.#frame.length - this.#filled)
      this.#frame.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (this.#filled < this.#frame.length) return
      if (this.#size === undefined) {
        this.#begin(lengthOf(this.#frame))
      } else {
        const message = this.#frame
        this.#begin(undefined)
        yield message
      }
    }
  }

  #begin(size: number | undefined): void {
    this.#size = size
    this.#frame = new Uint8Array(size ?? LENGTH_BYTES)
    this.#filled = 0
  }
}

function lengthOf(bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (length > LIMIT.MESSAGE_BYTES) throw new OrthrusError('too_large', `a frame of ${length} bytes`)
  if (length < HEADER_BYTES) throw malformed('a frame without a message')
  return length
}
