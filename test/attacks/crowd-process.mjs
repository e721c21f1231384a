// Opens many WebSockets to a KDC and does nothing with them. It is a process of its own, since one may not have the
// files for both ends. It prints 'open' when all are open and, when asked, how many have been closed. Arguments: url,
// number, local address.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

const [url, number, localAddress] = process.argv.slice(2)
const { hostname, port } = new URL(url)
const AT_ONCE = 100
let closed = 0

async function open() {
  const socket = connect({ host: hostname, port: Number(port), localAddress })
  socket.write(
    `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
      'Sec-WebSocket-Protocol: orthrus.v1\r\n\r\n',
  )
  const [head] = await once(socket, 'data')
  if (!String(head).startsWith('HTTP/1.1 101 ')) throw new Error(`refused: ${head}`)
  socket.on('close', () => process.send(`closed: ${++closed}`))
  socket.resume()
}

for (let left = Number(number); left > 0; left -= AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, left) }, open))
}
process.on('message', () => process.send(closed))
process.on('disconnect', () => process.exit())
process.send('open')
