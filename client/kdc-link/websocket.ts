import type { Socket, SocketEvents, SocketOptions } from './socket.js'

/** Browsers: the platform's own WebSocket. `websocket.node.ts` has the same function. */
export function openSocket(options: SocketOptions, events: SocketEvents): Socket {
  const socket = new globalThis.WebSocket(options.url, options.protocol)
  let failure: string | undefined
  const refuse = (reason: string, code: number): void => {
    failure ??= reason
    socket.close(code)
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
    send: bytes => {
      if (socket.readyState === globalThis.WebSocket.OPEN) socket.send(new Uint8Array(bytes))
    },
    close: () => socket.close(),
  }
}
