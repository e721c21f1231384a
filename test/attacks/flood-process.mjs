// Floods a KDC from one local address, until it is ended. Arguments: url, local address, how: "send" (and read the
// answers), "deaf" (send, and read nothing), "idle" (open connections alone), "half" (begin handshakes and never end them);
// how many connections, and how many messages a second. The parent sends the messages, as base64; it is told 'open' when
// all connections were opened, and how many answers have come whenever it asks. A connection that the KDC closes is
// opened again.
import { connect } from 'node:net'
import { WebSocket } from 'ws'

const [url, localAddress, how, connections, rate] = process.argv.slice(2)
const { hostname, port } = new URL(url)
const TICK = 10
const AT_ONCE = 100
const sockets = new Set()
let messages = []
let answers = 0
let sent = 0

function half() {
  return new Promise(resolve => {
    const socket = connect({ host: hostname, port: Number(port), localAddress }, () => {
      socket.write(`GET / HTTP/1.1\r\nHost: ${hostname}\r\nUpgrade: websocket\r\n`)
      resolve()
    })
    socket.on('error', () => {})
    socket.on('close', () => setTimeout(half, TICK))
  })
}

function open() {
  return new Promise(resolve => {
    const socket = new WebSocket(url, 'orthrus.v1', { perMessageDeflate: false, localAddress })
    socket.on('open', () => {
      sockets.add(socket)
      if (how === 'deaf') socket.pause()
      resolve()
    })
    socket.on('message', () => answers++)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      resolve()
      if (how !== 'idle') setTimeout(open, TICK)
    })
  })
}

function send() {
  const all = [...sockets]
  // What a connection does not take is not kept here: a flooder has its memory for other things.
  for (let left = (Number(rate) * TICK) / 1000; left > 0 && all.length > 0; left--) {
    const socket = all[sent % all.length]
    const message = messages[sent++ % messages.length]
    if (socket.bufferedAmount < 1 << 20) socket.send(message)
  }
}

process.on('message', async given => {
  if (!Array.isArray(given)) {
    process.send(answers)
    return
  }
  messages = given.map((text, id) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(id)
    return Buffer.concat([bytes, Buffer.from(text, 'base64')])
  })
  for (let left = Number(connections); left > 0; left -= AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, left) }, how === 'half' ? half : open))
  }
  if (Number(rate) > 0) setInterval(send, TICK)
  process.send('open')
})
process.on('disconnect', () => process.exit())
