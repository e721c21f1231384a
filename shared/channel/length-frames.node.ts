import type { Socket } from 'node:net'
import { encodeLengthFrame, LENGTH_BYTES } from './length-frames.js'

/** Tuning: a message above this is not copied behind its length; below it, one copy costs less than one more part. */
const COPIED_MAX = 8 * 1024

/** Sends a frame of plain TCP. @param sent called when the operating system has it, or never will */
export function writeLengthFrame(socket: Socket, message: Uint8Array, sent: () => void): void {
  if (message.length <= COPIED_MAX) {
    socket.write(encodeLengthFrame(message), sent)
    return
  }
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, message.length)
  socket.cork()
  socket.write(length)
  socket.write(message, sent)
  socket.uncork()
}
