import { createInterface } from 'node:readline'
import { connect } from 'orthrus/client'
import { Events } from './events.js'

/** Says each line of its input in a chat room, and prints what is said there. */

const kdc = process.env.ORTHRUS_KDC ?? 'ws://127.0.0.1:8750'
const keytab = process.env.ORTHRUS_KEYTAB ?? 'web.keytab'
const url = new URL(process.env.URL ?? 'ws://127.0.0.1:8083/chat')
url.searchParams.set('room', process.argv[2] ?? 'lobby')

const realm = await connect({ kdc, keytab })
const channel = await realm.openChannel(url, { service: 'chat' })
const events = new Events(channel)
for (const name of ['came', 'said', 'left']) {
  events.on(name, data => {
    const { from, text } = data as { from: string; text: string }
    console.log(`${from} ${name}${text === '' ? '' : `: ${text}`}`)
  })
}
const lines = createInterface({ input: process.stdin })
lines.on('line', line => void events.emit('say', line))
lines.on('close', () => void channel.end())
try {
  // Until both sides have ended: the service does so once this one has.
  await events.run()
} finally {
  lines.close()
  realm.close()
}
