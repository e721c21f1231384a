import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { LoadFigures } from '../exchanges/load-process.js'
import { quantile } from '../figures.js'
import { serve } from '../processes.js'
import { keyOfPassword } from './encryption.js'
import { askMitAs, askMitTgs, isMitAnswer, MIT, type MitGrant, openMitAs, openMitTgs } from './messages.js'

/** The process that asks MIT's KDC over UDP: each request in flight has a socket, since an answer names no request. */

export interface MitOrder {
  readonly exchange: 'AS' | 'TGS'
  readonly count: number
}

/** How often the KDC is asked until it answers, milliseconds. */
const RETRY = 20

const key = keyOfPassword(MIT.password, `${MIT.realm}${MIT.client}`)
const sockets: Socket[] = []
let tgt: MitGrant
let asked: Buffer[] = []

async function connect({ port, inFlight }: { port: number; inFlight: number }): Promise<void> {
  for (let i = 0; i < inFlight; i++) {
    const socket = createSocket('udp4')
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    sockets.push(socket)
  }
  tgt = openMitAs(key, await firstAnswer())
  openMitTgs(tgt, await ask(socketAt(0), askMitTgs(tgt)))
}

/** Asks until the KDC, which was only just started, listens: until then the system refuses for it. */
async function firstAnswer(): Promise<Buffer> {
  for (;;) {
    try {
      return await ask(socketAt(0), askMitAs(key))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw cause
      await wait(RETRY)
    }
  }
}

function prepare({ exchange, count }: MitOrder): void {
  asked = Array.from({ length: count }, () => (exchange === 'AS' ? askMitAs(key) : askMitTgs(tgt)))
  globalThis.gc?.()
}

async function run({ inFlight }: { inFlight: number }): Promise<LoadFigures> {
  const times: number[] = []
  let next = 0
  const line = async (socket: Socket): Promise<void> => {
    for (let question = asked[next++]; question !== undefined; question = asked[next++]) {
      const start = performance.now()
      const answer = await ask(socket, question)
      times.push(performance.now() - start)
      if (!isMitAnswer(answer)) throw new Error("MIT's KDC refused a request of the bench")
    }
  }
  const begin = performance.now()
  await Promise.all(sockets.slice(0, inFlight).map(line))
  const elapsed = performance.now() - begin
  const sorted = Float64Array.from(times)
  return { elapsed, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}

async function ask(socket: Socket, question: Buffer): Promise<Buffer> {
  socket.send(question)
  const [answer] = (await once(socket, 'message')) as [Buffer]
  return answer
}

function socketAt(index: number): Socket {
  const socket = sockets[index]
  if (socket === undefined) throw new TypeError('there is no connection')
  return socket
}

serve({ connect, prepare, run })
