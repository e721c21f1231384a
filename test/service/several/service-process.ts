import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { LoadServiceOptions } from '../../../service/load-options.js'
import { loadService } from '../../../service/load-service.js'
import { partsOf, type Service } from '../../../service/request/service.js'
import { requireTicket } from '../../../service/require-ticket.js'
import { systemTimers } from '../../../shared/timers.js'
import type { Order, RedisOrder, Told } from './orders.js'

/** A process, worker of a cluster or thread that serves, as its parent tells it to. Its clock is moved by its parent. */

const port = isMainThread ? process : parentPort
const tell = (told: Told): void => {
  if (isMainThread) process.send?.(told)
  else parentPort?.postMessage(told)
}

let passed = 0
const clock = {
  now: () => Date.now() + passed,
  monotonic: () => performance.now() + passed,
}

let service: Service | undefined
const server = createServer()

async function serve(options: LoadServiceOptions, redis: RedisOrder | undefined): Promise<void> {
  // The clients of Redis take long to load, and most tests need none.
  const replayCache = redis && { replayCache: await (await import('./redis-client.js')).redisCache(redis) }
  service = await loadService({ ...options, ...replayCache, clock, timers: systemTimers })
  server.on(
    'request',
    requireTicket({ service }, (req, res) => res.end(`handled ${req.url}`)),
  )
  await new Promise<void>(resolve => server.listen({ port: 0, host: '127.0.0.1', exclusive: true }, resolve))
  const { floor = 0 } = partsOf(service).replayCache as { floor?: number }
  tell({ port: (server.address() as AddressInfo).port, floor, now: clock.now() })
}

async function stop(): Promise<void> {
  server.closeAllConnections()
  server.close()
  await service?.close()
  tell({ stopped: true })
}

async function obey(order: Order): Promise<void> {
  passed += ('clock' in order && order.clock) || 0
  if ('serve' in order) return await serve(order.serve, order.redis)
  if ('stop' in order) return await stop()
  tell({ now: clock.now() })
}

port?.on('message', (order: Order) => {
  obey(order).catch((cause: Error & { code?: string }) =>
    tell({ code: cause.code ?? '', message: cause.message }),
  )
})
tell({ isUp: true, data: workerData ?? null })
