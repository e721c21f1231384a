import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { Connection, formatRequest } from '../service/connection.js'

/** A request as the network sees it. */
export interface Captured {
  readonly method: string
  readonly target: string
  /** Without hop-by-hop headers and the length of the body. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/** A response as the network sees it. */
export interface Relayed {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

export type HttpInterceptor = (
  request: Captured,
  forward: (request: Captured) => Promise<Relayed>,
) => Relayed | Promise<Relayed>

const HOP = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'expect'])

/** Sends a request, whoever wrote it, to a service. */
export async function deliver(port: number, { method, target, headers, body }: Captured): Promise<Relayed> {
  const connection = new Connection(port)
  const whole = { method, target, headers: [...headers, ['connection', 'close'] as const] }
  connection.write(formatRequest(body.length > 0 ? { ...whole, body } : whole), method)
  const response = await connection.response()
  connection.destroy()
  return response
}

/** The network between a client and a service, controlled by an attacker. */
export class HttpProxy {
  readonly captured: Captured[] = []
  /** What the service answered, whatever the client got. */
  readonly answered: Relayed[] = []
  intercept: HttpInterceptor = (request, forward) => forward(request)
  readonly #port: number
  readonly #server = createServer((req, res) => void this.#relay(req, res))

  private constructor(port: number) {
    this.#port = port
  }

  /** @param port of the service behind it. */
  static async start(port: number): Promise<HttpProxy> {
    const proxy = new HttpProxy(port)
    await new Promise<void>(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      proxy.#server.closeAllConnections()
      proxy.#server.close()
    })
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The last request that passed. */
  get last(): Captured {
    const request = this.captured.at(-1)
    if (request === undefined) throw new Error('nothing came by')
    return request
  }

  async #relay(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const request = await capture(req)
      this.captured.push(request)
      const { status, headers, body } = await this.intercept(request, changed => this.#forward(changed))
      const kept = headers.filter(([name]) => !HOP.has(name.toLowerCase()))
      const bodiless = request.method === 'HEAD' || status === 204 || status === 304
      const length = bodiless ? [] : [['content-length', String(body.length)] as const]
      res.writeHead(status, [...kept, ...length].flat())
      res.end(bodiless ? undefined : body)
    } catch {
      res.destroy()
    }
  }

  async #forward(request: Captured): Promise<Relayed> {
    const response = await deliver(this.#port, request)
    this.answered.push(response)
    return response
  }
}

async function capture(req: IncomingMessage): Promise<Captured> {
  const pieces: Buffer[] = []
  for await (const piece of req) pieces.push(piece as Buffer)
  const pairs = Array.from({ length: req.rawHeaders.length / 2 }, (_, i) => {
    return [req.rawHeaders[2 * i] ?? '', req.rawHeaders[2 * i + 1] ?? ''] as const
  })
  const headers = pairs.filter(([name]) => !HOP.has(name.toLowerCase()))
  return { method: req.method ?? '', target: req.url ?? '', headers, body: Buffer.concat(pieces) }
}

/** The only value of a header, or nothing. */
export function headerOf({ headers }: Pick<Relayed, 'headers'>, wanted: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === wanted)?.[1]
}

/** The same with a header set or removed. */
export function withHeader<T extends Captured | Relayed>(message: T, name: string, value?: string): T {
  const others = message.headers.filter(([other]) => other.toLowerCase() !== name)
  return { ...message, headers: value === undefined ? others : [...others, [name, value] as const] }
}
