import type { WebSocket } from 'ws'
import { channelBroken } from '../../shared/channel/open-channel.js'
import { TYPE, VERSION } from '../../shared/constants.js'
import { createError } from '../../shared/encoding/error.js'
import { decodeFrame, encodeFrame, type Frame } from '../../shared/encoding/frame.js'
import type { ChannelAcceptor } from './acceptor.js'
import { ChannelConnection } from './connection.js'
import { type ChannelTransport, CLOSING } from './transport.js'

/** Carries one channel over a WebSocket (docs/protocol.md section 3, "Transport"), under the id of its opening. */
export function acceptWebSocket<Req>(
  acceptor: ChannelAcceptor<Req>,
  socket: WebSocket,
  target: string,
  req: Req,
): void {
  const { clock } = acceptor.gate.service
  let id: number | undefined
  const send = (frame: Frame): Promise<void> =>
    new Promise(resolve => socket.send(encodeFrame(frame), () => resolve()))
  const transport: ChannelTransport = {
    send: message => send({ id: id ?? 0, message }),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    ping: () => socket.ping(),
    close: ({ code, reason }) => {
      // Otherwise the client's answer to it would not be read.
      socket.resume()
      socket.close(code, reason)
    },
    terminate: () => socket.terminate(),
  }
  const connection = new ChannelConnection({ acceptor, transport, target, req })
  const refuseFrame = (reason: string): void => {
    connection.end(channelBroken('its client', reason), { ...CLOSING.WRONG_FRAME, reason })
  }
  const take = ({ id: other, message }: Frame): void => {
    const isRecord = message[0] === VERSION && message[1] === TYPE.RECORD
    if (isRecord) {
      if (other === id) connection.receive(message)
    } else if (id === undefined) {
      id = other
      connection.receive(message)
    } else if (other === id) {
      refuseFrame('an id in use again')
    } else {
      const content = { code: 'rate_limited', time: clock.now(), floor: null, message: '' } as const
      void send({ id: other, message: createError(content) })
    }
  }
  socket.on('message', (data, isBinary) => {
    const frame = isBinary && data instanceof Buffer ? decodeFrame(data) : undefined
    if (frame === undefined) refuseFrame('a frame that no client sends')
    else take(frame)
  })
  socket.on('pong', () => connection.heard())
  // What went wrong is seen when it is closed.
  socket.on('error', () => {})
  socket.on('close', () => connection.closed())
}
