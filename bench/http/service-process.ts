import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeSavedFeed } from '../../service/feed/feed-file.js'
import type { FeedOptions } from '../../service/feed/feed-options.js'
import { loadService } from '../../service/load-service.js'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { requireTicket } from '../../service/require-ticket.js'
import { SIZE, WINDOW } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import { HOUR, systemClock } from '../../shared/time.js'
import { serve } from '../processes.js'
import { REVOCATIONS } from './requests.js'

/**
 * The process of a service: one handler that does nothing, bare at one port, behind `requireTicket` at another, and at a
 * third behind one that follows what the KDC revokes.
 */

export interface StartedService {
  readonly bare: number
  readonly ticketed: number
  readonly followed: number
}

async function start(keytab: string): Promise<StartedService> {
  // As if it had been running for a while: the wait after a start is no cost of a request.
  const floor = Date.now() - WINDOW.SERVICE_PAST
  const options = () => ({
    keytab: { text: keytab },
    replayCache: new BoundedReplayCache({ clock: systemClock, floor }),
  })
  const service = await loadService(options())
  const following = await loadService({ ...options(), ...(await followed(keytab)) })
  return {
    bare: await listen((_req, res) => res.end()),
    ticketed: await listen(requireTicket({ service }, (_req, res) => res.end())),
    followed: await listen(requireTicket({ service: following }, (_req, res) => res.end())),
  }
}

/**
 * What an orderly end would have left, so that a bench of requests needs no KDC: with one, a message every 5 s would be
 * all that is added.
 */
async function followed(keytab: string): Promise<FeedOptions> {
  const [entry] = parseKeytab(keytab)
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-bench-'))
  const feedFile = join(folder, 'feed')
  const logId = systemRandom(SIZE.LOG_ID)
  const entries = Array.from({ length: REVOCATIONS }, (_, i) => ({
    seq: i + 1,
    by: systemRandom(SIZE.CLIENT_ID),
  }))
  await writeSavedFeed(feedFile, {
    service: (entry as KeytabEntry).principal,
    sent: Date.now(),
    lastKvno: 0,
    position: { logId, seq: REVOCATIONS, mark: systemRandom(SIZE.MARK) },
    logs: [{ logId, keepUntil: Date.now() + HOUR, entries }],
  })
  return { kdc: 'ws://127.0.0.1:9', feedFile, maxStaleness: '1h', startWithoutFeed: true }
}

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

serve({ start })
