import type { ClientOptions } from 'ws'
import { loadWs } from '#ws'
import { plainBytes } from '../../shared/bytes.js'
import type { Socket, SocketEvents, SocketOptions } from './socket.js'

export { FAILURE_CAUSES } from './failure-causes.node.js'

/** How long to wait for the peer to close too, milliseconds, so that a silent peer does not keep the process alive. */
const CLOSE_TIMEOUT = 1_000

/**
 * The largest number of fragments of a message, and of reads for one frame, that are buffered: each takes memory in
 * addition to its bytes. A KDC sends each message in one frame.
 */
const PIECES_MAX = { FRAGMENTS: 8, READS: 1024 } as const

/** Node: the `ws` package, without compression (docs/protocol.md section 3). */
export function openSocket(options: SocketOptions, events: SocketEvents): Socket {
  const settings: ClientOptions & { closeTimeout: number } = {
    perMessageDeflate: false,
    maxPayload: options.maxBytes,
    maxFragments: PIECES_MAX.FRAGMENTS,
    maxBufferedChunks: PIECES_MAX.READS,
    followRedirects: false,
    closeTimeout: CLOSE_TIMEOUT,
    finishRequest: request => {
      request.on('socket', opening => {
        stream = opening
        hold()
      })
      request.end()
    },
  }
  let failure: string | undefined
  let stream: { ref(): void; unref(): void } | undefined
  let isHeld = true
  const hold = (): void => void (isHeld ? stream?.ref() : stream?.unref())
  const { WebSocket } = loadWs()
  const socket = new WebSocket(options.url, options.protocol, settings)
  socket.on('open', () => events.opened())
  socket.on('pong', () => events.ponged())
  socket.on('error', error => {
    failure ??= describe(error)
  })
  socket.on('close', (code, reason) => events.closed(failure ?? closing(code, reason.toString('utf8'))))
  socket.on('message', (data, isBinary) => {
    if (isBinary && data instanceof Buffer) events.received(plainBytes(data))
    else socket.close(1003)
  })
  return {
    send: (bytes, sent) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes, sent)
      else sent?.()
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    ping: () => {
      if (socket.readyState === WebSocket.OPEN) socket.ping()
    },
    close: () => socket.close(),
    hold: held => {
      isHeld = held
      hold()
    },
  }
}

function describe(error: Error & { readonly code?: unknown }): string {
  const code = typeof error.code === 'string' ? error.code : ''
  if (error.message === '') return code === '' ? 'the connection failed' : code
  return code === '' || error.message.includes(code) ? error.message : `${error.message}; ${code}`
}

function closing(code: number, reason: string): string {
  return `the connection was closed, code ${code}${reason === '' ? '' : `, ${JSON.stringify(reason)}`}`
}
