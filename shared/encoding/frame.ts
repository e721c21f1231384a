/**
 * A frame of the KDC's WebSocket: `id(4 bytes, big-endian) || message` (docs/protocol.md section 3, "Transport"). The
 * id links an answer to its request, and the records of a channel to its AP-OPEN.
 */

export const ID_BYTES = 4
export const ID_MAX = 2 ** 32 - 1

export interface Frame {
  readonly id: number
  /** In the result of `decodeFrame`, a view of the frame's bytes, not a copy. */
  readonly message: Uint8Array
}

/** @returns `undefined` if the bytes are too short to hold an id. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.length < ID_BYTES) return undefined
  const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return { id, message: bytes.subarray(ID_BYTES) }
}

/** @param frame its id from 0 to `ID_MAX` */
export function encodeFrame({ id, message }: Frame): Uint8Array {
  const frame = new Uint8Array(ID_BYTES + message.length)
  new DataView(frame.buffer).setUint32(0, id)
  frame.set(message, ID_BYTES)
  return frame
}
