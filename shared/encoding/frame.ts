import { concatBytes } from '../bytes.js'

/** A WebSocket's frame: `id(4 bytes, big-endian) || message` (docs/protocol.md section 3, "Transport"). */

export const ID_BYTES = 4

export interface Frame {
  readonly id: number
  readonly message: Uint8Array
}

/** `undefined` where the bytes are too short for an id. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.length < ID_BYTES) return undefined
  const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return { id, message: bytes.subarray(ID_BYTES) }
}

export function encodeFrame({ id, message }: Frame): Uint8Array {
  const head = new Uint8Array(ID_BYTES)
  new DataView(head.buffer).setUint32(0, id)
  return concatBytes(head, message)
}
