import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { serve } from '../processes.js'

/** The process of the server behind: it answers the first bytes with one, and the end with how many there were. */

async function start(): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    let bytes = 0
    socket.on('data', piece => {
      if (bytes === 0) socket.write('.')
      bytes += piece.length
    })
    socket.on('end', () => socket.end(String(bytes)))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

serve({ start })
