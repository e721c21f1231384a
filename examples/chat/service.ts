import { createServer } from 'node:http'
import { acceptChannels, loadService } from 'orthrus/service'
import { Events } from './events.js'

/** A chat room: whoever may use the service hears what the others say, and who says it is proved. */

const keytab = process.env.ORTHRUS_KEYTAB ?? 'chat.keytab'
const kdc = process.env.ORTHRUS_KDC ?? 'ws://127.0.0.1:8750'
const [host, port] = (process.env.LISTEN ?? '127.0.0.1:8083').split(':')

const rooms = new Map<string, Set<Events>>()

const service = await loadService({ keytab, kdc })
const server = createServer((_req, res) => res.writeHead(404).end())
const accepted = acceptChannels({ service, server, path: '/chat' }, async (channel, ticket, req) => {
  const name = new URL(req.url ?? '', 'http://chat').searchParams.get('room') ?? 'lobby'
  const room = rooms.get(name) ?? new Set()
  rooms.set(name, room)
  const tell = (event: string, text: string): void => {
    for (const member of room) void member.emit(event, { from: ticket.client, text })
  }
  const events = new Events(channel).on('say', data => tell('said', String(data).slice(0, 1000)))
  room.add(events)
  tell('came', '')
  try {
    await events.run()
  } finally {
    room.delete(events)
    tell('left', '')
    if (room.size === 0) rooms.delete(name)
  }
})
server.listen(Number(port), host, () => {
  const address = server.address()
  const listening = typeof address === 'object' && address !== null ? address.port : port
  console.log(`${service.principal} listens on ws://${host}:${listening}/chat`)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await accepted.close()
    server.close()
    await service.close()
  })
}
