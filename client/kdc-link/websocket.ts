import { systemTimers } from '../../shared/timers.js'
import { isOffline, OFFLINE, ONCE_ONLINE } from './offline.js'
import type { FailureCauses, Socket, SocketEvents, SocketOptions } from './socket.js'

/** Tuning: while more bytes than this wait to be sent, a sender waits. */
const BUFFERED_MAX = 64 * 1024
/** Tuning: how often a browser is asked how much waits, milliseconds. */
const LOOK_EVERY = 20

/** The code of a connection that ended without one. */
const FAILED = 1006

/** A browser does not tell a page why: this is the code of every connection that could not be made. */
export const FAILURE_CAUSES: FailureCauses = {
  any: [{ pattern: new RegExp(OFFLINE), told: 'there is no network', hint: ONCE_ONLINE }],
  kdc: [
    {
      pattern: /code 1006/,
      told: 'a page is not told why',
      hint: `does a KDC run at this URL, with --allow-origin ${globalThis.location?.origin ?? 'ORIGIN'}, and does the CSP of the page let it connect there (connect-src)? A page of https: needs wss://`,
    },
  ],
}

/** Browsers: the platform's own WebSocket. `websocket.node.ts` has the same function. */
export function openSocket(options: SocketOptions, events: SocketEvents): Socket {
  const socket = new globalThis.WebSocket(options.url, options.protocol)
  let failure: string | undefined
  let isClosed = false
  const closed = (code: number): void => {
    if (isClosed) return
    isClosed = true
    const reason = code === FAILED && isOffline() ? OFFLINE : `the connection was closed, code ${code}`
    events.closed(failure ?? reason)
  }
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
  socket.onclose = event => closed(event.code)
  // Chromium says of a connection that the page's CSP forbids that it failed, and never that it is closed.
  socket.onerror = () => {
    if (socket.readyState === globalThis.WebSocket.CLOSED) closed(FAILED)
  }
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
