import { once } from 'node:events'
import { WebSocket } from 'ws'
import { SUBPROTOCOL } from '../../shared/constants.js'
import { decodeFrame, encodeFrame } from '../../shared/encoding/frame.js'

/** A connection to a KDC that does as little as possible, so that the client is not what is measured. */
export class KdcSocket {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (message: Uint8Array) => void>()
  #failed: (cause: Error) => void = () => {}
  /** Rejects when the connection is gone, and never resolves. */
  readonly #failure = new Promise<never>((_, reject) => {
    this.#failed = reject
  })
  #asked = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.#failure.catch(() => {})
    socket.on('message', data => this.#receive(data as Buffer))
    socket.on('error', cause => this.#failed(cause))
    socket.on('close', () => this.#failed(new Error('the KDC closed the connection')))
  }

  static async open(url: string): Promise<KdcSocket> {
    const socket = new WebSocket(url, SUBPROTOCOL, { perMessageDeflate: false })
    await once(socket, 'open')
    return new KdcSocket(socket)
  }

  ask(message: Uint8Array): Promise<Uint8Array> {
    const id = this.#asked++
    const answer = new Promise<Uint8Array>(resolve => this.#waiting.set(id, resolve))
    this.#socket.send(encodeFrame({ id, message }))
    return Promise.race([answer, this.#failure])
  }

  close(): void {
    this.#socket.terminate()
  }

  #receive(data: Buffer): void {
    const frame = decodeFrame(data)
    if (frame === undefined) return
    this.#waiting.get(frame.id)?.(frame.message)
    this.#waiting.delete(frame.id)
  }
}
