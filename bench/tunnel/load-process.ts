import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { systemRandom } from '../../shared/crypto/random.js'
import { quantile } from '../figures.js'
import { serve } from '../processes.js'
import { PIECE_BYTES } from './pieces.js'

/** The process of the program that uses a tunnel, and knows nothing of it. */

export interface RunOrder {
  /** Of the tunnel's near end. */
  readonly port: number
  /** Pieces that are sent, or connections that are opened. */
  readonly count: number
}

const piece = systemRandom(PIECE_BYTES)

function open(port: number): Socket {
  return connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
}

/** @returns milliseconds, from the first byte until the server has said that it has all */
async function send({ port, count }: RunOrder): Promise<number> {
  const socket = open(port)
  await once(socket, 'connect')
  const answer = text(socket)
  const begin = performance.now()
  for (let i = 0; i < count; i++) if (!socket.write(piece)) await once(socket, 'drain')
  socket.end()
  const said = await answer
  const elapsed = performance.now() - begin
  if (said !== `.${count * PIECE_BYTES}`) throw new Error(`of ${count} pieces the server had "${said}"`)
  return elapsed
}

/** One after another. @returns milliseconds to the first byte of the server's answer, the median */
async function openAll({ port, count }: RunOrder): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const begin = performance.now()
    const socket = open(port)
    socket.write('ping')
    await once(socket, 'data')
    times.push(performance.now() - begin)
    const closed = once(socket, 'close')
    socket.end()
    socket.resume()
    await closed
  }
  return quantile(Float64Array.from(times), 0.5)
}

serve({ send, open: openAll })
