import type { Socket } from 'node:net'
import { joinLengthFrame, LENGTH_BYTES } from './length-frames.js'

/** Tuning: a message above this is not copied behind its length; below it, one copy costs less than one more part. */
const COPIED_MAX = 8 * 1024

/**
 * Sends a frame of plain TCP. What is sent in one turn of the event loop goes to the system together, at its end: the first
 * messages of a channel wake the other side once.
 * @param parts the message, in parts that come one behind the other
 * @param sent called when the operating system has it, or never will
 */
export function writeLengthFrame(socket: Socket, parts: readonly Uint8Array[], sent: () => void): void {
  let size = 0
  for (const part of parts) size += part.length
  if (socket.writableCorked === 0) {
    socket.cork()
    setImmediate(() => socket.uncork())
  }
  if (size <= COPIED_MAX) {
    socket.write(joinLengthFrame(parts), sent)
    return
  }
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, size)
  socket.write(length)
  for (const part of parts.slice(0, -1)) socket.write(part)
  socket.write(parts.at(-1) ?? NOTHING, sent)
}

const NOTHING = new Uint8Array()
