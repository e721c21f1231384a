import { type Socket, Server as TcpServer } from 'node:net'
import { LengthFrameReader } from '../../shared/channel/length-frames.js'
import { writeLengthFrame } from '../../shared/channel/length-frames.node.js'
import { channelBroken } from '../../shared/channel/open-channel.js'
import { WINDOW } from '../../shared/constants.js'
import { OrthrusError } from '../../shared/errors.js'
import { SECOND } from '../../shared/time.js'
import { inBackground, runAfter } from '../../shared/timers.js'
import type { ChannelAcceptor } from './acceptor.js'
import { ChannelConnection } from './connection.js'
import { type ChannelTransport, CLOSING } from './transport.js'

/** How long a client may take to close its side too, milliseconds. */
const CLOSE_TIMEOUT = 10 * SECOND

/** A server of `node:net` or `node:tls`. Those of HTTP are servers of `node:net` too. */
export function isTcpServer(server: unknown): server is TcpServer {
  return server instanceof TcpServer
}

/** Accepts a channel on each connection of a server. @returns what ends this */
export function listenTo(server: TcpServer, acceptor: ChannelAcceptor<Socket>): () => void {
  // Imported above, it would take every start of a service longer.
  const { Server: TlsServer } = process.getBuiltinModule('node:tls')
  const event = server instanceof TlsServer ? 'secureConnection' : 'connection'
  const accept = (socket: Socket): void => acceptTcp(acceptor, socket)
  server.on(event, accept)
  return () => void server.off(event, accept)
}

/** Carries one channel over a socket (docs/protocol.md section 3, "Transport"). */
export function acceptTcp(acceptor: ChannelAcceptor<Socket>, socket: Socket): void {
  const { timers } = acceptor.gate.service
  const reader = new LengthFrameReader()
  let cancel = (): void => {}
  const transport: ChannelTransport = {
    send: message => new Promise(resolve => writeLengthFrame(socket, [message], resolve)),
    sendParts: parts => new Promise(resolve => writeLengthFrame(socket, parts, resolve)),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    ping: undefined,
    close: () => {
      cancel = runAfter(inBackground(timers), CLOSE_TIMEOUT, () => socket.destroy())
      // Otherwise the end of the client's side would not be read.
      socket.resume()
      socket.end()
    },
    terminate: () => void socket.destroy(),
  }
  const connection = new ChannelConnection({ acceptor, transport, target: '', req: socket })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, WINDOW.CHANNEL_HEARTBEAT)
  socket.on('data', piece => {
    try {
      for (const message of reader.read(piece as Buffer)) connection.receive(message)
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      connection.end(channelBroken('its client', cause.reason), CLOSING.WRONG_FRAME)
      socket.destroy()
    }
  })
  // What went wrong is seen when it is closed.
  socket.on('error', () => {})
  socket.on('close', () => {
    cancel()
    connection.closed()
  })
}
