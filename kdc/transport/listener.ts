import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { explainListenFailure, type ListenPlace } from './listen-failure.js'
import { secureOptions, type TlsIdentity } from './tls.js'

/** The platform's server under the KDC's WebSocket: plain, or with TLS. */
export type Listener = Server | TlsServer

/** The largest headers of a handshake, bytes. */
const HEADER_BYTES_MAX = 8 * 1024

/**
 * @param handshake how long each handshake may take, milliseconds
 * @param now milliseconds
 * @throws OrthrusError `unavailable` if certificate and key cannot be used
 */
export function createListener(handshake: number, tls: TlsIdentity | undefined, now: number): Listener {
  const settings = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: handshake,
    requestTimeout: handshake,
    connectionsCheckingInterval: Math.max(10, Math.ceil(handshake / 4)),
  }
  return tls === undefined
    ? createServer(settings)
    : createTlsServer({ ...settings, ...secureOptions(tls, now), handshakeTimeout: handshake })
}

/** @throws OrthrusError `unavailable` if it cannot listen there */
export async function listenAt(listener: Listener, place: ListenPlace): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: Error): void => reject(explainListenFailure(place, cause))
    listener.once('error', fail)
    listener.listen(place, () => {
      listener.off('error', fail)
      resolve()
    })
  })
  const address = listener.address()
  if (typeof address === 'object' && address !== null) return address
  // Its connections would have no address that limits could count.
  listener.close()
  throw explainListenFailure(place, Object.assign(new Error(), { code: 'NOT_TCP' }))
}
