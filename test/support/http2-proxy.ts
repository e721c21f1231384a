import { type IncomingMessage, request } from 'node:http'
import { constants, createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { createAuthority, createIdentity } from '../../bench/first-call/certificate.js'

/** What HTTP/2 says otherwise, or does not know. */
const OF_ONE_CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding'])

/**
 * Speaks HTTP/2 over TLS to clients, and HTTP/1.1 to the server behind it, as many proxies do. What passes is passed on at once. Its
 * certificate is of nobody. @returns its origin. Closed with the test
 */
export async function startHttp2Proxy(behind: string): Promise<string> {
  const { key, certificate } = createIdentity(createAuthority(), 'localhost')
  const server = createSecureServer({ key, cert: certificate }, (req, res) => forward(behind, req, res))
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

function forward(behind: string, req: Http2ServerRequest, res: Http2ServerResponse): void {
  const headers = Object.entries(req.headers).filter(([name]) => !name.startsWith(':'))
  const forwarded = request(`${behind}${req.url}`, {
    method: req.method,
    headers: Object.fromEntries(headers),
    agent: false,
  })
  forwarded.on('response', answer => {
    res.writeHead(answer.statusCode ?? 502, kept(answer))
    answer.pipe(res)
  })
  // Where the answer is whole before the body is, nobody reads the rest: a browser waits until it is told so (RFC 9113, 8.1).
  req.stream.once('finish', () => req.stream.close(constants.NGHTTP2_NO_ERROR))
  forwarded.on('error', () => {
    if (!res.headersSent) res.stream.destroy()
  })
  req.pipe(forwarded)
}

function kept({ headers }: IncomingMessage): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_ONE_CONNECTION.has(name)))
}
