import { once } from 'node:events'
import { WebSocket } from 'ws'
import { connect, type Realm } from '../../client/connect.js'
import type { Channel } from '../../shared/channel/channel.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { clientName, type StartedKdc, serviceName } from '../exchanges/realm.js'
import { serve } from '../processes.js'
import { MESSAGE_BYTES, PATH, PIECE_BYTES, type StreamPorts, type Way } from './ways.js'

/** The process of a client that sends and reads bodies, and sends messages. */

export interface ConnectOrder extends StartedKdc {
  readonly ports: StreamPorts
}

export interface RunOrder {
  readonly way: Way
  readonly count: number
  readonly isLarge: boolean
}

/** How many messages may be under way before the client waits for the system to take them. */
const IN_FLIGHT = 64

const piece = systemRandom(PIECE_BYTES)
const message = systemRandom(MESSAGE_BYTES)
const service = serviceName(0)
let ports: StreamPorts
let realm: Realm
let channels: { readonly websocket: Channel; readonly tcp: Channel; readonly ws: WebSocket }

async function connectAll({ url, keytab, ports: given }: ConnectOrder): Promise<void> {
  ports = given
  realm = await connect({ kdc: url, keytab: { text: keytab }, principal: clientName(0) })
  const ws = new WebSocket(`ws://127.0.0.1:${ports.plain}${PATH.CHANNEL}`, { perMessageDeflate: false })
  await once(ws, 'open')
  channels = {
    websocket: await realm.openChannel(`ws://127.0.0.1:${ports.ticketed}${PATH.CHANNEL}`, { service }),
    tcp: await realm.openChannel(`tcp://127.0.0.1:${ports.tcp}`, { service }),
    ws,
  }
}

/** @returns how long it took, milliseconds */
async function run({ way, count, isLarge }: RunOrder): Promise<number> {
  globalThis.gc?.()
  const begin = performance.now()
  await carry(way, count, isLarge ? piece : message)
  return performance.now() - begin
}

function carry(way: Way, count: number, content: Uint8Array): Promise<void> {
  switch (way) {
    case 'sealed.request':
    case 'plain.request':
      return sendBody(way === 'sealed.request', count)
    case 'sealed.response':
    case 'plain.response':
      return readBody(way === 'sealed.response', count)
    case 'ws':
      return sendPlain(channels.ws, count, content)
    default:
      return sendMessages(channels[way], count, content)
  }
}

async function sendBody(isSealed: boolean, count: number): Promise<void> {
  let left = count
  const body = new ReadableStream<Uint8Array>({
    pull: controller => {
      if (left-- > 0) controller.enqueue(piece)
      else controller.close()
    },
  })
  const response = isSealed
    ? await realm.fetch(urlOf(PATH.REQUEST, true), { method: 'POST', body, service, sealed: true })
    : await fetch(urlOf(PATH.REQUEST, false), {
        method: 'POST',
        body: body as ReadableStream<Uint8Array<ArrayBuffer>>,
        duplex: 'half',
      } as RequestInit)
  requireBytes(Number(await response.text()), count)
}

async function readBody(isSealed: boolean, count: number): Promise<void> {
  const url = `${urlOf(PATH.RESPONSE, isSealed)}?pieces=${count}`
  const response = isSealed ? await realm.fetch(url, { service, sealed: true }) : await fetch(url)
  let bytes = 0
  for await (const chunk of response.body ?? []) bytes += chunk.length
  requireBytes(bytes, count)
}

function urlOf(path: string, isTicketed: boolean): string {
  return `http://127.0.0.1:${isTicketed ? ports.ticketed : ports.plain}${path}`
}

function requireBytes(bytes: number, count: number): void {
  if (bytes !== count * PIECE_BYTES) throw new Error(`${bytes} bytes came, of ${count} pieces`)
}

async function sendMessages(channel: Channel, count: number, content: Uint8Array): Promise<void> {
  await channel.send(String(count))
  for (let i = 1; i <= count; i++) {
    const sent = channel.send(content)
    if (i % IN_FLIGHT === 0) await sent
  }
  await channel.receive()
}

async function sendPlain(socket: WebSocket, count: number, content: Uint8Array): Promise<void> {
  const answered = once(socket, 'message')
  socket.send(String(count))
  for (let i = 1; i <= count; i++) {
    if (i % IN_FLIGHT !== 0) socket.send(content)
    else await new Promise(resolve => socket.send(content, resolve))
  }
  await answered
}

serve({ connect: connectAll, run })
