import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { acceptChannels, type Channel, loadService, requireTicket } from 'orthrus/service'

/** The service of the page: it is on another origin, and names that of the page for requests and for channels. */

const keytab = process.env.ORTHRUS_KEYTAB ?? 'orders.keytab'
const kdc = process.env.ORTHRUS_KDC ?? 'ws://127.0.0.1:8750'
const page = process.env.PAGE ?? 'https://app.example'
const [host, port] = (process.env.LISTEN ?? '127.0.0.1:8080').split(':')

/** How many orders are kept: they are in memory. */
const KEPT = 100

const orders = [{ id: 0, what: 'a book about dogs', by: 'the shop' }]
const followers = new Set<Channel>()

const service = await loadService({ keytab, kdc, state: `${keytab}.state` })
await service.ready()
const guard = { service, claims: { role: 'buyer' } }
const server = createServer(
  requireTicket({ ...guard, maxBody: 4_096, cors: { origins: [page] } }, async (req, res, ticket) => {
    if (!isAbout('/orders', req)) return res.writeHead(404).end()
    if (req.method !== 'POST')
      return res.setHeader('content-type', 'application/json').end(JSON.stringify(orders))
    const what = (await text(req)).trim().slice(0, 80)
    if (what === '') return res.writeHead(400).end('it is empty')
    // Who orders is who proved it, whatever the page says.
    const order = { id: (orders.at(-1)?.id ?? 0) + 1, what, by: ticket.client }
    orders.push(order)
    if (orders.length > KEPT) orders.shift()
    // Whoever reads too slowly is given up, and nobody waits for them.
    for (const follower of followers) void follower.send(JSON.stringify(order))
    return res.writeHead(201).end()
  }),
)
const accepted = acceptChannels(
  { ...guard, server, path: '/live', allowedOrigins: [page] },
  async channel => {
    followers.add(channel)
    await channel.closed
    followers.delete(channel)
  },
)

function isAbout(path: string, { url = '/' }: IncomingMessage): boolean {
  return url.split('?')[0] === path
}

server.listen(Number(port), host, () => {
  const address = server.address()
  const listening = typeof address === 'object' && address !== null ? address.port : port
  console.log(`${service.principal} listens on http://${host}:${listening}`)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await accepted.close()
    server.close()
    await service.close()
    process.exit()
  })
}
