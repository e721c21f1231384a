import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { SUBPROTOCOL } from '../../shared/constants.js'
import { decodeFrame, encodeFrame, type Frame } from '../../shared/encoding/frame.js'

/** Both ends of a connection through the proxy, to send something to either. */
export interface Wire {
  toClient(frame: Frame): void
  toKdc(frame: Frame): void
}

/** What is sent on in place of a frame: itself, others, or nothing. */
export type FrameInterceptor = (frame: Frame, wire: Wire) => readonly Frame[]

const pass: FrameInterceptor = frame => [frame]

/** The network between clients and the KDC, controlled by an attacker. */
export class WebSocketProxy {
  readonly toKdc: Frame[] = []
  readonly toClient: Frame[] = []
  upward: FrameInterceptor = pass
  downward: FrameInterceptor = pass
  readonly #upstream: string
  readonly #server: WebSocketServer

  private constructor(upstream: string, server: WebSocketServer) {
    this.#upstream = upstream
    this.#server = server
    server.on('connection', client => this.#join(client))
  }

  /** @param upstream the KDC's URL. */
  static async start(upstream: string): Promise<WebSocketProxy> {
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      perMessageDeflate: false,
      handleProtocols: () => SUBPROTOCOL,
    })
    await new Promise<void>(resolve => server.once('listening', resolve))
    onTestFinished(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    return new WebSocketProxy(upstream, server)
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The messages of one type that clients sent. */
  asked(type: number): Uint8Array[] {
    return this.toKdc.map(({ message }) => message).filter(message => message[1] === type)
  }

  /** The messages of one type that the KDC sent. */
  answered(type: number): Uint8Array[] {
    return this.toClient.map(({ message }) => message).filter(message => message[1] === type)
  }

  /** Every connection is cut, and what is under way is lost. */
  breakUp(): void {
    for (const client of this.#server.clients) client.terminate()
  }

  #join(client: WebSocket): void {
    const kdc = new WebSocket(this.#upstream, SUBPROTOCOL, { perMessageDeflate: false })
    const opened = new Promise<void>(resolve => kdc.once('open', resolve))
    const wire: Wire = {
      toClient: frame => client.send(encodeFrame(frame)),
      toKdc: frame => void opened.then(() => kdc.send(encodeFrame(frame))),
    }
    client.on('error', () => {})
    kdc.on('error', () => {})
    client.on('close', () => kdc.terminate())
    kdc.on('close', () => client.terminate())
    client.on('message', data => {
      const frame = frameOf(data as Buffer)
      this.toKdc.push(frame)
      for (const next of this.upward(frame, wire)) wire.toKdc(next)
    })
    kdc.on('message', data => {
      const frame = frameOf(data as Buffer)
      this.toClient.push(frame)
      for (const next of this.downward(frame, wire)) wire.toClient(next)
    })
  }
}

function frameOf(data: Buffer): Frame {
  const frame = decodeFrame(new Uint8Array(data))
  if (frame === undefined) throw new Error('a frame without an id')
  return frame
}
