import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { requireTicket } from '../../service/require-ticket.js'
import { serve } from '../processes.js'
import { loadBenchService } from '../service.js'
import type { Identity } from './certificate.js'

/** The process of a service that knows its clients by Orthrus at one port, and by mutual TLS at another. */

export interface StartOrder {
  readonly keytab: string
  readonly service: string
  readonly authority: string
  readonly identity: Identity
}

export interface Ports {
  readonly orthrus: number
  readonly tls: number
}

async function start(order: StartOrder): Promise<Ports> {
  const [orthrus, tls] = [await createOrthrus(order), createTls(order)]
  return { orthrus: await listen(orthrus), tls: await listen(tls) }
}

async function createOrthrus({ keytab, service: name }: StartOrder): Promise<Server> {
  const service = await loadBenchService({ keytab: { text: keytab }, service: name })
  return createServer(requireTicket({ service }, (_req, res, ticket) => res.end(ticket.client)))
}

function createTls({ authority, identity }: StartOrder): Server {
  const { certificate: cert, key } = identity
  const mutual = { requestCert: true, rejectUnauthorized: true }
  return createTlsServer({ ca: authority, cert, key, ...mutual }, (req, res) => {
    const { authorized } = req.socket as TLSSocket
    res.end(authorized ? 'client/0' : '')
  })
}

/** Each call is the first of its connection, and the last. */
async function listen(server: Server): Promise<number> {
  server.maxRequestsPerSocket = 1
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

serve({ start })
