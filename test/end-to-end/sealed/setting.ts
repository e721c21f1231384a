import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Realm } from '../../../client/index.js'
import {
  type RequireTicketOptions,
  requireTicket,
  type Service,
  type TicketHandler,
} from '../../../service/index.js'
import { startRealm, type TestRealm } from '../../../testing/index.js'
import { TestLogger } from '../../support/logger.js'

/** A realm with one client and one service, and servers of its own for each test. */
export interface Setting {
  readonly realm: TestRealm
  readonly web: Realm
  readonly service: Service
  readonly log: TestLogger
  /** Guards a handler, by a server that ends with the test. */
  serve(handler: TicketHandler, options?: Partial<RequireTicketOptions>): Promise<RunningServer>
}

export interface RunningServer {
  readonly url: string
  readonly port: number
  readonly server: Server
}

export async function startSetting(): Promise<Setting & { end(): Promise<void> }> {
  const log = new TestLogger()
  const realm = await startRealm({ logger: log })
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  const web = await realm.connect('web')
  const service = await realm.loadService('orders')
  return {
    realm,
    web,
    service,
    log,
    serve: (handler, options) => serve(requireTicket({ service, ...options }, handler)),
    end: () => realm.close(),
  }
}

export async function serve(listener: Parameters<typeof createServer>[1]): Promise<RunningServer> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, server }
}

/** A body that whoever holds this writes piece by piece. */
export function writable(): {
  stream: ReadableStream<Uint8Array>
  write(text: string): void
  close(): void
  fail(cause: Error): void
  readonly cancelled: Promise<unknown>
} {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  let cancel: (reason: unknown) => void = () => {}
  const cancelled = new Promise<unknown>(resolve => {
    cancel = resolve
  })
  const stream = new ReadableStream<Uint8Array>({
    start: made => {
      controller = made
    },
    cancel: reason => cancel(reason),
  })
  return {
    stream,
    write: text => controller.enqueue(new TextEncoder().encode(text)),
    close: () => controller.close(),
    fail: cause => controller.error(cause),
    cancelled,
  }
}

/** The pieces of a body as they come. */
export function piecesOf(response: { readonly body: ReadableStream<Uint8Array> | null }): {
  next(): Promise<string | undefined>
  cancel(): Promise<void>
} {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  return {
    next: async () => {
      const { value } = await reader.read()
      return value && new TextDecoder().decode(value)
    },
    cancel: () => reader.cancel(),
  }
}
