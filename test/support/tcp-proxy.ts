import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
}

/** An address whose server comes and goes, and connections that can die halfway. It knows no protocol. */
export class TcpProxy {
  /** What the proxy does with bytes: passes them on, passes them on one by one, or loses them. */
  mode: 'pass' | 'drip' | 'lose' = 'pass'
  /** How many more bytes reach clients before everything is lost. */
  left = Number.POSITIVE_INFINITY
  /** All that clients sent. */
  received = ''
  readonly #pairs = new Set<Pair>()
  #ended = 0
  readonly #server: Server
  #behind: number | undefined

  private constructor(port: number | undefined) {
    this.#behind = port
    this.#server = createServer(client => {
      if (this.#behind === undefined) client.destroy()
      else this.#join(client, connect(this.#behind, '127.0.0.1'))
    })
  }

  /** @param port of the server behind it, if there is one yet. Closed with the test. */
  static async start(port?: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port)
    await new Promise<void>(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      proxy.breakUp()
      proxy.#server.close()
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** From now on connections lead to that server, or nowhere. Open ones stay as they are. */
  leadTo(port: number | undefined): void {
    this.#behind = port
  }

  /** Connections that are open, and how many have been. */
  get connections(): { readonly open: number; readonly ended: number } {
    return { open: this.#pairs.size, ended: this.#ended }
  }

  /** The other side of each connection is gone, and clients get no notice. */
  abandon(): void {
    for (const { upstream } of this.#pairs) {
      upstream.removeAllListeners()
      upstream.on('error', () => {})
      upstream.destroy()
    }
  }

  /** Every connection is reset. */
  breakUp(): void {
    for (const { client, upstream } of this.#pairs) {
      client.destroy()
      upstream.destroy()
    }
  }

  #join(client: Socket, upstream: Socket): void {
    const pair = { client, upstream }
    this.#pairs.add(pair)
    client.on('data', bytes => {
      this.received += bytes.toString('latin1')
      if (this.mode !== 'lose') upstream.write(bytes)
    })
    upstream.on('data', bytes => this.#toClient(client, bytes))
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => {
      // What was lost on the way cannot be followed by an end.
      if (this.mode !== 'lose' && this.left > 0) client.destroy()
    })
    client.on('close', () => {
      this.#pairs.delete(pair)
      this.#ended++
    })
  }

  #toClient(client: Socket, bytes: Buffer): void {
    if (this.mode === 'lose') return
    const part = bytes.subarray(0, Math.max(0, this.left))
    this.left -= part.length
    if (this.mode === 'pass') client.write(part)
    else for (const byte of part) setImmediate(() => client.write(Uint8Array.of(byte)))
  }
}
