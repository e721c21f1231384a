import { connect, type Socket } from 'node:net'

export interface RawResponse {
  readonly status: number
  /** The reason phrase of the status line. */
  readonly message: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** The status lines of 1xx responses that came before it. */
  readonly informational: readonly string[]
}

/** A client that sends exactly the bytes it is told to. */
export class Connection {
  readonly #socket: Socket
  readonly #methods: string[] = []
  #received = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.on('data', data => {
      this.#received = Buffer.concat([this.#received, data])
      this.#wake()
    })
    const end = (): void => {
      this.#ended = true
      this.#wake()
    }
    this.#socket.on('error', end).on('close', end).on('end', end)
  }

  /** @param method of the request that begins here, whose response must be known to have a body or none. */
  write(bytes: string | Uint8Array, method?: string): this {
    if (method !== undefined) this.#methods.push(method)
    this.#socket.write(bytes)
    return this
  }

  /** Resolves when what was written has left. */
  flushed(): Promise<void> {
    return new Promise(resolve => this.#socket.write('', () => resolve()))
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Resolves when the other side has closed. */
  async closed(): Promise<void> {
    while (!this.#ended) await this.#more()
  }

  /** What has arrived and belongs to no response read so far. */
  get left(): Buffer {
    return this.#received
  }

  async response(): Promise<RawResponse> {
    const method = this.#methods.shift()
    const informational: string[] = []
    for (;;) {
      const { line, headers } = await this.#head()
      const status = Number(line.split(' ')[1])
      if (status < 200) informational.push(line)
      else {
        const header = (wanted: string) => headers.find(([name]) => name.toLowerCase() === wanted)?.[1]
        const bodiless = method === 'HEAD' || status === 204 || status === 304
        const isChunked = header('transfer-encoding') === 'chunked'
        const take = () => (isChunked ? this.#takeChunks() : this.#take(Number(header('content-length'))))
        const body = bodiless ? Buffer.alloc(0) : await take()
        return { status, message: line.split(' ').slice(2).join(' '), headers, body, informational }
      }
    }
  }

  async #head(): Promise<{ line: string; headers: [string, string][] }> {
    let end = this.#received.indexOf('\r\n\r\n')
    while (end < 0) {
      await this.#more()
      end = this.#received.indexOf('\r\n\r\n')
    }
    const [line = '', ...rest] = this.#received.subarray(0, end).toString('latin1').split('\r\n')
    this.#received = this.#received.subarray(end + 4)
    const headers = rest.map((text): [string, string] => {
      const colon = text.indexOf(':')
      return [text.slice(0, colon), text.slice(colon + 1).trim()]
    })
    return { line, headers }
  }

  async #takeChunks(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for (;;) {
      while (!this.#received.includes('\r\n')) await this.#more()
      const end = this.#received.indexOf('\r\n')
      const length = Number.parseInt(this.#received.subarray(0, end).toString('latin1'), 16)
      this.#received = this.#received.subarray(end + 2)
      const chunk = await this.#take(length + 2)
      if (length === 0) return Buffer.concat(chunks)
      chunks.push(chunk.subarray(0, -2))
    }
  }

  async #take(length: number): Promise<Buffer> {
    if (!Number.isSafeInteger(length)) throw new Error('a response without content-length')
    while (this.#received.length < length) await this.#more()
    const body = Buffer.from(this.#received.subarray(0, length))
    this.#received = this.#received.subarray(length)
    return body
  }

  #more(): Promise<void> {
    if (this.#ended) return Promise.reject(new Error('the connection was closed'))
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}

export interface RawRequest {
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body?: Uint8Array
}

/** The bytes of a request; its content-length is added where it has a body. */
export function formatRequest({ method, target, headers, body }: RawRequest): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`, 'host: localhost']
  for (const [name, value] of headers) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`content-length: ${body.length}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body ?? Buffer.alloc(0)])
}
