import { systemTimers } from '../../shared/timers.js'
import type { Socket, SocketEvents, SocketOptions } from './socket.js'

/** Tuning: while more bytes than this wait to be sent, a sender waits. */
const BUFFERED_MAX = 64 * 1024
/** Tuning: how often a browser is asked how much waits, milliseconds. */
const LOOK_EVERY = 20

/** Browsers: the platform's own WebSocket. `websocket.node.ts` has the same function. */
export function openSocket(options: SocketOptions, events: SocketEvents): Socket {
  const socket = new globalThis.WebSocket(options.url, options.protocol)
  let failure: string | undefined
  const refuse = (reason: string, code: number): void => {
    failure ??= reason
    socket.close(code)
  }
  const isOpen = (): boolean => socket.readyState === globalThis.WebSocket.OPEN
  // A browser does not tell, so it is asked again and again.
  const tellSent = (sent: () => void): void => {
    if (!isOpen() || socket.bufferedAmount <= BUFFERED_MAX) sent()
    else systemTimers.setTimeout(() => tellSent(sent), LOOK_EVERY)
  }
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => {
    // A browser also opens the socket if the server accepted no subprotocol.
    if (socket.protocol === options.protocol) events.opened()
    else refuse(`the server does not speak ${options.protocol}`, 4000)
  }
  socket.onclose = event => events.closed(failure ?? `the connection was closed, code ${event.code}`)
  socket.onmessage = event => {
    if (failure !== undefined) return
    if (!(event.data instanceof ArrayBuffer)) refuse('the server sent text', 4003)
    else if (event.data.byteLength > options.maxBytes) refuse('the server sent too much', 4009)
    else events.received(new Uint8Array(event.data))
  }
  return {
    send: (bytes, sent) => {
      if (isOpen()) socket.send(new Uint8Array(bytes))
      if (sent !== undefined) tellSent(sent)
    },
    close: () => socket.close(),
  }
}
