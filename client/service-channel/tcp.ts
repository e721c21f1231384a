import type { Socket, SocketEvents } from '../kdc-link/socket.js'
import type { SocketPlace } from './place.js'

/** Browsers have no sockets of TCP. `tcp.node.ts` has the same function. @throws TypeError */
export function connectTcp(_place: SocketPlace, _events: SocketEvents): Socket {
  throw new TypeError('this platform has no TCP: open a channel at a URL with ws: or wss:')
}
