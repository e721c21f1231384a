import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import type { Identity } from './certificate.js'

export interface TlsOrder {
  readonly port: number
  readonly authority: string
  readonly identity: Identity
  readonly count: number
}

export interface Called {
  /** Milliseconds, from the connection's beginning to the end of the response. */
  readonly elapsed: number
  readonly reused: boolean
  /** What the next handshake can be resumed from. */
  readonly session: Buffer | undefined
}

/** One call over a connection of its own, both sides proved by certificates, or by the session of an earlier one. */
export async function callTls({ port, authority, identity }: TlsOrder, session?: Buffer): Promise<Called> {
  const { certificate: cert, key } = identity
  const begin = performance.now()
  const resumption = session === undefined ? {} : { session }
  const outgoing = request({ host: '127.0.0.1', port, ca: authority, cert, key, agent: false, ...resumption })
  let next: Buffer | undefined
  let reused = false
  outgoing.on('socket', socket => {
    socket.on('session', (given: Buffer) => {
      next = given
    })
    socket.on('secureConnect', () => {
      reused = (socket as TLSSocket).isSessionReused()
    })
  })
  outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const body = await text(response)
  const elapsed = performance.now() - begin
  if (body !== 'client/0') throw new Error('the TLS server took the client for another')
  return { elapsed, reused, session: next }
}
