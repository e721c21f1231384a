import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { requireTicket } from '../../service/require-ticket.js'
import { type StartedKdc, serviceName } from '../exchanges/realm.js'
import { serve } from '../processes.js'
import { loadBenchService } from '../service.js'

/** The process of all services: each follows the KDC, and has a handler that never answers. */

let started = 0
let waiting = 0

/** @returns the port of each */
async function start({ url, keytab, count }: StartedKdc & { count: number }): Promise<number[]> {
  started = count
  const feed = { kdc: url, revocations: 0 }
  return Promise.all(Array.from({ length: count }, (_, i) => startOne(keytab, serviceName(i), feed)))
}

async function startOne(
  text: string,
  name: string,
  feed: { kdc: string; revocations: number },
): Promise<number> {
  const service = await loadBenchService({ keytab: { text }, service: name }, feed)
  const handler = requireTicket({ service }, (_req, _res, ticket) => {
    waiting += 1
    ticket.signal.addEventListener('abort', () => {
      waiting -= 1
    })
  })
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Resolves when a request waits at each. */
async function allWait(): Promise<void> {
  while (waiting < started) await setTimeout(5)
}

serve({ start, allWait })
