import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import { loadWs } from '#ws'
import { LIMIT, SUBPROTOCOL } from '../constants.js'
import { ID_BYTES } from '../encoding/frame.js'

/** How a server takes WebSockets (docs/protocol.md section 3, "Transport"): the KDC's, and that of any other service. */

/**
 * Tuning: fragments of an incomplete message. Each takes memory besides its bytes, and may keep the whole buffer that it
 * was read with alive, so a limit on bytes alone does not bound them. Clients send one frame for each message; browsers
 * may send two or three.
 */
const FRAGMENTS_MAX = 8

/** Tuning: reads of an incomplete frame, which take memory too. In segments of 536 bytes 64 KiB take 123 reads. */
const READS_MAX = 1024

/** Takes sockets over whose handshake was looked at. It has no compression and limits what is buffered. */
export function createWebSocketServer(): WebSocketServer {
  const ws = loadWs()
  return new ws.WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: LIMIT.MESSAGE_BYTES + ID_BYTES,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: READS_MAX,
    handleProtocols: () => SUBPROTOCOL,
  })
}

export interface HandshakeFault<Status extends number = number> {
  readonly status: Status
  readonly reason: string
}

/**
 * Why a handshake is refused, or `undefined`. Any web page can make its visitor's browser connect to a server. Browsers
 * tell the page's origin, and only origins on the list may connect.
 */
export function upgradeFault(
  request: IncomingMessage,
  allowedOrigins: readonly string[],
): HandshakeFault<400 | 403> | undefined {
  const { origin, upgrade = '' } = request.headers
  if (upgrade.trim().toLowerCase() !== 'websocket') {
    return { status: 400, reason: 'of upgrades only that to a WebSocket is answered: Upgrade: websocket' }
  }
  if (origin !== undefined && !allowedOrigins.includes(origin)) {
    return { status: 403, reason: 'this origin may not connect; see allowedOrigins' }
  }
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
  if (offered.includes(SUBPROTOCOL)) return undefined
  return { status: 400, reason: `the subprotocol ${SUBPROTOCOL} is required` }
}

export function refuseUpgrade(socket: Duplex, { status, reason }: HandshakeFault): void {
  const body = `${reason}\n`
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  socket.once('finish', () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
