import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Realm } from '../../../client/realm.js'
import { type RefusedRequest, requireTicket, type TicketHandler } from '../../../service/index.js'
import { startRealm, type TestRealm } from '../../../testing/index.js'

/** A request as the service's handler had it. */
export interface Arrived {
  readonly client: string
  readonly method: string
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** What the handler answers; by default what arrived, in words. */
export type Answering = (...args: [...Parameters<TicketHandler>, Arrived]) => unknown

export const inWords: Answering = (_req, res, _ticket, { client, method, target, body }) =>
  res.end(`${client} ${method} ${target} ${body.length}`)

const KEPT = { maxRequest: 64 * 1024, maxResponse: 64 * 1024 }

/** A KDC, the service `orders` over real sockets, and the client `web`, for all tests of a file. */
export class Orders {
  readonly arrived: Arrived[] = []
  readonly refused: RefusedRequest[] = []
  answer = inWords
  kdc!: TestRealm
  realm!: Realm
  url = ''
  readonly #closing: (() => unknown)[] = []

  get last(): Arrived {
    const [last] = this.arrived.slice(-1)
    if (last === undefined) throw new Error('nothing arrived')
    return last
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** The realm's client, with another place of the service. */
  async connectTo(url: string): Promise<Realm> {
    return await this.kdc.connect('web', { services: { [url]: 'orders' }, ...KEPT })
  }

  async start(): Promise<void> {
    this.kdc = await startRealm()
    await this.kdc.add('web', 'orders')
    await this.kdc.allow('web', 'orders')
    const service = await this.kdc.loadService('orders')
    const onRefused = (refused: RefusedRequest): void => void this.refused.push(refused)
    const handler: TicketHandler = async (req, res, ticket) => {
      const arrived = {
        client: ticket.client,
        method: req.method ?? '',
        target: req.url ?? '',
        headers: req.headers,
      }
      const whole = { ...arrived, body: await buffer(req) }
      this.arrived.push(whole)
      await this.answer(req, res, ticket, whole)
    }
    this.url = await this.listen(requireTicket({ service, onRefused }, handler))
    this.realm = await this.connectTo(this.url)
  }

  /** @returns its URL. It is closed with the rest */
  async listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    this.#closing.push(
      () => server.close(),
      () => server.closeAllConnections(),
    )
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    for (const close of this.#closing) close()
    await this.kdc.close()
  }
}

export function startOrders(): Orders {
  const orders = new Orders()
  beforeAll(() => orders.start())
  beforeEach(() => {
    orders.answer = inWords
    orders.arrived.length = 0
    orders.refused.length = 0
  })
  afterAll(() => orders.stop())
  return orders
}
