import { connect } from 'node:net'
import { writeLengthFrame } from '../../shared/channel/length-frames.node.js'
import { WINDOW } from '../../shared/constants.js'
import { SECOND } from '../../shared/time.js'
import { inBackground, runAfter, systemTimers } from '../../shared/timers.js'
import type { Socket, SocketEvents } from '../kdc-link/socket.js'
import type { SocketPlace } from './place.js'

/** How long to wait for the other side to close too, milliseconds. */
const CLOSE_TIMEOUT = 10 * SECOND

/** Node: a socket of `node:net`, which sends each message as a frame of its own. It cannot ping. */
export function connectTcp(place: SocketPlace, events: SocketEvents): Socket {
  const keepAliveInitialDelay = WINDOW.CHANNEL_HEARTBEAT
  const socket = connect({ ...place, noDelay: true, keepAlive: true, keepAliveInitialDelay })
  let failure: string | undefined
  let cancel = (): void => {}
  socket.on('connect', () => events.opened())
  socket.on('data', piece => events.received(piece as Buffer))
  socket.on('error', (error: Error & { readonly code?: string }) => {
    failure ??= error.message === '' ? (error.code ?? 'the connection failed') : error.message
  })
  socket.on('close', () => {
    cancel()
    events.closed(failure ?? 'the connection was closed')
  })
  const sendParts = (parts: readonly Uint8Array[], sent: () => void): void => {
    if (socket.writable) writeLengthFrame(socket, parts, sent)
    else sent()
  }
  return {
    send: (bytes, sent) => sendParts([bytes], () => sent?.()),
    sendParts,
    close: () => {
      if (socket.connecting) socket.destroy()
      else socket.end()
      cancel = runAfter(inBackground(systemTimers), CLOSE_TIMEOUT, () => socket.destroy())
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  }
}
