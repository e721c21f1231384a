import { LIMIT } from '../constants.js'
import { HEADER_BYTES } from '../encoding/message.js'
import { malformed, OrthrusError } from '../errors.js'

/** Frames over plain TCP: `length(4 bytes, big-endian) || message` (docs/protocol.md section 3, "Transport"). */

export const LENGTH_BYTES = 4

export function encodeLengthFrame(message: Uint8Array): Uint8Array {
  return joinLengthFrame([message])
}

/** @param parts the message, in parts that come one behind the other */
export function joinLengthFrame(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const frame = new Uint8Array(LENGTH_BYTES + length)
  new DataView(frame.buffer).setUint32(0, length)
  let offset = LENGTH_BYTES
  for (const part of parts) {
    frame.set(part, offset)
    offset += part.length
  }
  return frame
}

/** Cuts what comes in, in pieces of any size, into messages. */
export class LengthFrameReader {
  /** The frame that is not whole yet, as much of it as came. Its size is not taken before its length was checked. */
  #frame: Uint8Array<ArrayBuffer> = new Uint8Array(LENGTH_BYTES)
  #filled = 0
  /** Of the frame, once that is known. */
  #size: number | undefined;

  /**
   * The messages that a piece completes, none of which shares its memory. Another message may overwrite one as soon as the
   * next is asked for, so copy what is kept.
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
        giveBack(message)
      }
    }
  }

  #begin(size: number | undefined): void {
    this.#size = size
    this.#frame = memoryFor(size ?? LENGTH_BYTES)
    this.#filled = 0
  }
}

/** Tuning: frames above this are read into memory that is used again, as long as a frame can be. */
const LARGE = LIMIT.MESSAGE_BYTES / 2
/** Tuning: how much of that memory is kept for the next frames of this process, whichever connection they come by. */
const KEPT_MAX = 8
const kept: Uint8Array<ArrayBuffer>[] = []

/** A frame is handed on once all of it has come, so nobody sees what was in the memory before: sealed messages. */
function memoryFor(size: number): Uint8Array<ArrayBuffer> {
  if (size <= LARGE) return new Uint8Array(size)
  return (kept.pop() ?? new Uint8Array(LIMIT.MESSAGE_BYTES)).subarray(0, size)
}

function giveBack({ buffer, length }: Uint8Array<ArrayBuffer>): void {
  if (length > LARGE && kept.length < KEPT_MAX) kept.push(new Uint8Array(buffer))
}

function lengthOf(bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (length > LIMIT.MESSAGE_BYTES) throw new OrthrusError('too_large', `a frame of ${length} bytes`)
  if (length < HEADER_BYTES) throw malformed('a frame without a message')
  return length
}
