import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const END_OF_HEAD = '\r\n\r\n'

/**
 * One keep-alive connection that sends prepared bytes and reads little of the response, so that the client is not what
 * is measured. Responses must have no body.
 */
export class HttpConnection {
  readonly #socket: Socket
  #received = ''
  #resolve: (head: string) => void = () => {}
  #reject: (cause: Error) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', piece => this.#receive(String(piece)))
    socket.on('error', cause => this.#reject(cause))
    socket.on('close', () => this.#reject(new Error('the service closed the connection')))
  }

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new HttpConnection(socket)
  }

  /** @returns the head of the response, status line and headers */
  ask(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#socket.write(request, 'latin1')
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(piece: string): void {
    this.#received += piece
    if (!this.#received.endsWith(END_OF_HEAD)) return
    const head = this.#received
    this.#received = ''
    this.#resolve(head)
  }
}
