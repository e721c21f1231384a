import { createServer, type Server } from 'node:http'
import {
  type AcceptedTicket,
  acceptChannels,
  createVerifier,
  loadService,
  RequestRefused,
  type RequireTicketOptions,
  requireTicket,
  type Service,
  ticketOf,
} from 'orthrus/service'

const name = (ticket: AcceptedTicket): string => `${ticket.client} ${ticket.claims.role ?? 'none'}`

export async function serve(): Promise<Server> {
  const service: Service = await loadService({ keytab: 'orders.keytab', kdc: 'ws://127.0.0.1:8750' })
  await service.ready()
  const options: RequireTicketOptions = { service, claims: { role: 'reader' }, maxBody: 1024 }
  const server = createServer(requireTicket(options, (_req, res, ticket) => res.end(name(ticket))))
  acceptChannels({ service, server, path: '/live' }, async (channel, ticket) => {
    await channel.send(name(ticket))
    for await (const message of channel) await channel.send(message)
  })
  return server
}

// @ts-expect-error The option is called maxBody.
export const misspelt: RequireTicketOptions['maxBodySize'] = 1

export function middleware(service: Service): Server {
  const gate = requireTicket({ service, onRefused: refused => console.log(refused.code) })
  return createServer((req, res) => gate(req, res, () => res.end(ticketOf(req).client)))
}

export async function verify(service: Service): Promise<string | number> {
  const verifyRequest = createVerifier({ service })
  try {
    const exchange = await verifyRequest({ method: 'GET', target: '/', headers: [['host', 'orders']] })
    const headers = exchange.prove({ status: 200, headers: [], body: new Uint8Array(1) })
    return `${exchange.ticket.client} ${headers.length}`
  } catch (error) {
    if (error instanceof RequestRefused) return error.status
    throw error
  }
}
