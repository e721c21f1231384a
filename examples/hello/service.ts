import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadService, requireTicket } from 'orthrus/service'

/** A service in a few lines: it knows which principal calls it, and each of its answers is proved. */

const keytab = process.env.ORTHRUS_KEYTAB ?? 'orders.keytab'
const kdc = process.env.ORTHRUS_KDC ?? 'ws://127.0.0.1:8750'
const [host, port] = (process.env.LISTEN ?? '127.0.0.1:8080').split(':')

// It follows what the KDC revokes, and refuses it from that moment on.
// What close() leaves lets the next start accept at once, in place of nothing for six seconds.
const service = await loadService({ keytab, kdc, state: `${keytab}.state` })
await service.ready()
const server = createServer(
  requireTicket({ service, claims: { role: 'reader' } }, (_req, res, ticket) => {
    res.setHeader('content-type', 'text/plain')
    res.end(`hello ${ticket.client}, your role is ${ticket.claims.role}\n`)
  }),
)
server.listen(Number(port), host, () => {
  const { port } = server.address() as AddressInfo
  console.log(`${service.principal} listens on http://${host}:${port}`)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => server.close(() => service.close().then(() => process.exit())))
}
