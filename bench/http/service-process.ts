import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { requireTicket } from '../../service/require-ticket.js'
import { serve } from '../processes.js'
import { type BenchFeed, loadBenchService } from '../service.js'

/**
 * The process of a service, which follows what the KDC revokes or does not: one handler that does nothing, bare at one
 * port and behind `requireTicket` at another.
 */

export interface StartOrder {
  readonly keytab: string
  readonly feed?: BenchFeed
}

export interface StartedService {
  readonly bare: number
  readonly ticketed: number
}

async function start({ keytab, feed }: StartOrder): Promise<StartedService> {
  const service = await loadBenchService({ keytab: { text: keytab } }, feed)
  return {
    bare: await listen((_req, res) => res.end()),
    ticketed: await listen(requireTicket({ service }, (_req, res) => res.end())),
  }
}

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

serve({ start })
