import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { pairsOf } from '../../shared/http/header-pairs.js'
import { namedInConnection } from './header-rules.js'

/**
 * Some clients ask for HTTP/2 by the way, in requests that are whole without it, and are content with HTTP/1.1: Java's
 * does so unless it is told otherwise. Node stops reading a connection at such a request, so it is handed in once more,
 * without what it asked for. Any other upgrade means another protocol, and is refused.
 */
export function asksForHttp2({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.trim().toLowerCase() === 'h2c'
}

/** Has the server take the request, and all that follows it on the connection, as if nothing had been asked for. */
export function takeWithoutUpgrade(server: Server, req: IncomingMessage, socket: Duplex): void {
  const { method, url, httpVersion, rawHeaders } = req
  const pairs = pairsOf(rawHeaders)
  const kept = [...namedInConnection(pairs)].filter(name => !OF_UPGRADE.has(name))
  const headers = pairs.filter(
    ([name]) => name.toLowerCase() !== 'connection' && !OF_UPGRADE.has(name.toLowerCase()),
  )
  if (kept.length > 0) headers.push(['connection', kept.join(', ')])
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  const head = [`${method} ${url} HTTP/${httpVersion}`, ...lines].join('\r\n')
  socket.unshift(Buffer.from(`${head}\r\n\r\n`, 'latin1'))
  server.emit('connection', socket)
}

const OF_UPGRADE: ReadonlySet<string> = new Set(['upgrade', 'http2-settings'])
