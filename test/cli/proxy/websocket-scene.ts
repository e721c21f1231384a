import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { type CallScene, type CallSceneOptions, startCallProxy } from './call-scene.js'
import { listen, pairs, type Scene, type SceneOptions, startScene } from './scene.js'

/** A server of WebSockets that knows nothing of tickets, and both ends of a proxy between it and its clients. */

export interface WebSocketScene {
  readonly served: Scene
  readonly called: CallScene
  /** Upgrades that the program was asked for. */
  readonly upgrades: IncomingMessage[]
  /** WebSockets that it has. */
  readonly sockets: WebSocket[]
  /** A header of the last upgrade. */
  header(name: string): string | undefined
  /** A client of the program, through both proxies. */
  connect(path?: string, protocols?: string[], options?: object): WebSocket
}

export interface WebSocketSceneOptions extends SceneOptions {
  readonly calling?: Partial<CallSceneOptions>
  /** Takes an upgrade in place of the program's own way, and says so. */
  readonly upgrade?: (req: IncomingMessage, socket: Duplex) => boolean
}

/** Sends back what it gets. */
export async function startWebSocketProgram(
  upgrades: IncomingMessage[],
  sockets: WebSocket[],
  upgrade: WebSocketSceneOptions['upgrade'] = () => false,
): Promise<string> {
  const server: Server = createServer((_req, res) => res.writeHead(404).end('no such page'))
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: { threshold: 100 },
    handleProtocols: offered => (offered.has('chat') ? 'chat' : false),
  })
  server.on('upgrade', (req, socket, head) => {
    upgrades.push(req)
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    if (upgrade(req, socket)) return
    webSockets.handleUpgrade(req, socket, head, webSocket => {
      sockets.push(webSocket)
      webSocket.on('error', () => {})
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    })
  })
  return `http://127.0.0.1:${await listen(server)}`
}

export async function startWebSockets(options: WebSocketSceneOptions = {}): Promise<WebSocketScene> {
  const upgrades: IncomingMessage[] = []
  const sockets: WebSocket[] = []
  const { calling = {}, upgrade, ...serving } = options
  const to = await startWebSocketProgram(upgrades, sockets, upgrade)
  const served = await startScene({ to, ...serving })
  const called = await startCallProxy(served.realm, { to: served.url, ...calling })
  return {
    served,
    called,
    upgrades,
    sockets,
    header: name =>
      pairs(upgrades.at(-1)?.rawHeaders ?? []).find(([given]) => given.toLowerCase() === name)?.[1],
    connect: (path, protocols, options) => webSocketTo(called.port, path, protocols, options),
  }
}

export function webSocketTo(port: number, path = '/live', protocols: string[] = [], options = {}): WebSocket {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options)
  webSocket.on('error', () => {})
  onTestFinished(() => webSocket.terminate())
  return webSocket
}

/** A socket, and all that came from it so far. */
export function rawSocket(port: number): [socket: Socket, text: () => string] {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  socket.on('error', () => {})
  socket.on('data', piece => {
    text += piece.toString('latin1')
  })
  onTestFinished(() => void socket.destroy())
  return [socket, () => text]
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** The handshake of a client, as bytes. @param more further lines, or others in place of these */
export function handshake(more: readonly string[] = [], line = 'GET /live HTTP/1.1', behind = ''): string {
  const lines = [
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
  ]
  const names = more.map(text => text.split(':')[0]?.toLowerCase())
  const kept = lines.filter(text => !names.includes(text.split(':')[0]?.toLowerCase()))
  return `${[line, ...kept, ...more.filter(text => !text.endsWith(':'))].join('\r\n')}\r\n\r\n${behind}`
}

/** The answer of a program that takes any client, whatever it says after it. */
export function switching(req: IncomingMessage, more = ''): string {
  const key = `${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${more}\r\n`
}

export function opened(webSocket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    webSocket.once('open', () => resolve())
    webSocket.once('error', reject)
  })
}

export function closed(webSocket: WebSocket): Promise<number> {
  return new Promise(resolve => webSocket.once('close', code => resolve(code)))
}

export function message(webSocket: WebSocket): Promise<RawData> {
  return new Promise(resolve => webSocket.once('message', data => resolve(data)))
}

/** The answer in place of a WebSocket. */
export function refusal(webSocket: WebSocket): Promise<{ status: number; word: unknown; body: string }> {
  return new Promise((resolve, reject) => {
    webSocket.once('open', () => reject(new Error('it was opened')))
    webSocket.once('unexpected-response', (_, res: IncomingMessage) => {
      let body = ''
      res.on('data', piece => {
        body += String(piece)
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, word: res.headers['orthrus-proxy'], body }))
      res.on('error', reject)
    })
  })
}
