import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadService } from '../../service/load-service.js'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { requireTicket } from '../../service/require-ticket.js'
import { WINDOW } from '../../shared/constants.js'
import { systemClock } from '../../shared/time.js'
import { serve } from '../processes.js'

/** The process of a service: one handler that does nothing, bare at one port and behind `requireTicket` at another. */

export interface StartedService {
  readonly bare: number
  readonly ticketed: number
}

async function start(keytab: string): Promise<StartedService> {
  // As if it had been running for a while: the wait after a start is no cost of a request.
  const floor = Date.now() - WINDOW.SERVICE_PAST
  const replayCache = new BoundedReplayCache({ clock: systemClock, floor })
  const service = await loadService({ keytab: { text: keytab }, replayCache })
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
