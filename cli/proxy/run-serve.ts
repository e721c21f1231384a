import { createServer } from 'node:http'
import { loadService } from '../../service/load-service.js'
import { systemClock } from '../../shared/time.js'
import { systemTimers } from '../../shared/timers.js'
import { collectClaims } from '../arguments.js'
import { kdcUrls, keytabPath } from '../connection.js'
import { given } from '../given.js'
import { type Terminal, warn } from '../terminal.js'
import { listenOn } from '../tunnel/listen.js'
import { isOfThisMachine, resolved, shownPlace } from '../tunnel/place.js'
import { sharedReplays } from '../tunnel/several-processes.js'
import { Assertions, assertionKeyFrom } from './assertion.js'
import { beginProxy, SERVER } from './running.js'
import type { ServeArguments } from './serve-arguments.js'
import { type ServeProxyOptions, serveProxy } from './serve-proxy.js'
import { serveUpgrades } from './serve-upgrade.js'
import { Shares } from './shares.js'
import { Upstream } from './upstream.js'

/** What `orthrus proxy serve` does with its options. */
export async function runServe(terminal: Terminal, options: ServeArguments): Promise<void> {
  const { principal, allowReadableKeytab, state, assertionKey, allowReadableAssertionKey = false } = options
  if (options.severalProcesses === true && state !== undefined)
    throw new TypeError('--state is of one process: leave it out, or --several-processes')
  const place = await resolved(options.to.place)
  const key =
    assertionKey === undefined ? undefined : await assertionKeyFrom(assertionKey, allowReadableAssertionKey)
  if (!isOfThisMachine(place) && key === undefined) {
    warn(
      terminal,
      options,
      `whoever reaches ${shownPlace(place)} can say there who they are, as this proxy does: listen there on 127.0.0.1 or a Unix socket, or give --assertion-key and have the program check it`,
    )
  }
  const running = beginProxy(terminal, options)
  const { logger } = running
  const service = await loadService({
    keytab: keytabPath(terminal, options),
    logger,
    ...(options.withoutRevocations === true
      ? { withoutRevocations: true }
      : { kdc: await kdcUrls(terminal, options) }),
    ...sharedReplays(options),
    ...given({ service: principal, allowReadableKeytab, state }),
  })
  const timers = systemTimers
  const {
    upstreamConnections: connections,
    upstreamTimeout: patience,
    clientTimeout: clientPatience,
  } = options
  const share = options.upstreamConnectionsPerClient ?? Math.ceil(connections / 2)
  const upstream = new Upstream({
    place: { ...options.to, place },
    timers,
    connections,
    waiting: 4 * connections,
  })
  try {
    const server = createServer(SERVER)
    const proxy: ServeProxyOptions = {
      service,
      upstream,
      owned: { prefix: options.headerPrefix, strip: new Set(options.strip) },
      claims: Object.fromEntries(collectClaims(options.claim ?? [])),
      openPaths: new Set(options.openPath),
      maxBody: options.maxBody,
      maxResponse: options.maxResponse,
      patience,
      clientPatience,
      shares: new Shares(share, 4 * share),
      timers,
      logger,
      assertions: key && new Assertions(key, systemClock),
    }
    serveProxy(server, proxy)
    const limits = { max: options.websockets, perClient: options.websocketsPerClient }
    const upgrades = limits.max === 0 ? undefined : serveUpgrades(server, proxy, limits)
    await service.ready()
    const where = shownPlace(await listenOn(server, options.listen))
    const to = shownPlace(place)
    const facts = { service: service.principal, listen: where, to }
    await running.untilStopped(server, facts, `${service.principal} listens on ${where}, for ${to}`, upgrades)
  } finally {
    upstream.close()
    await service.close()
    await running.end()
  }
}
