import { LengthFrameReader } from '../../shared/channel/length-frames.js'
import { decodeFrame, encodeFrame } from '../../shared/encoding/frame.js'
import { HEADER_BYTES } from '../../shared/encoding/message.js'

/** How messages are framed (docs/protocol.md section 3, "Transport"). Each connection has one of its own. */
export interface Framing {
  encode(message: Uint8Array): Uint8Array
  /** The messages that what came completes. @throws OrthrusError if it has no such form */
  decode(bytes: Uint8Array): Iterable<Uint8Array>
}

/** A connection to a service carries one channel, under this id. */
const ID = 1

/** On a WebSocket. As on a connection to the KDC, a message under another id was not asked for, and is ignored. */
export function webSocketFraming(): Framing {
  return {
    encode: message => encodeFrame({ id: ID, message }),
    decode: bytes => {
      const frame = decodeFrame(bytes)
      return frame?.id === ID && frame.message.length >= HEADER_BYTES ? [frame.message] : []
    },
  }
}

/** Over plain TCP, whose socket puts the length in front by itself. */
export function tcpFraming(): Framing {
  const reader = new LengthFrameReader()
  return { encode: message => message, decode: bytes => reader.read(bytes) }
}
