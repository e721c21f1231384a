import { loadService } from '../../service/load-service.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import { systemTimers } from '../../shared/timers.js'
import { type ClaimArgument, collectClaims } from '../arguments.js'
import { type ConnectionOptions, kdcUrls, keytabPath, withRealm } from '../connection.js'
import { given } from '../given.js'
import { startKdcLog } from '../kdc-log.js'
import { serviceManager } from '../service-manager.js'
import { answer, type Terminal, warn } from '../terminal.js'
import { freeBuffersSoon } from './buffers.js'
import { connectTunnel } from './connect.js'
import { isOfThisMachine, type Place, resolved, shownPlace } from './place.js'
import { serveTunnel, type Tunnel } from './serve.js'
import { type SharingArguments, sharedReplays } from './several-processes.js'
import { type UserArguments, userRuleFor } from './user-rule.js'

/** What `orthrus tunnel serve` and `connect` do with their options. */

interface CommonArguments extends ConnectionOptions {
  readonly listen: Place
  readonly to: Place
  readonly connections: number
  /** Milliseconds. */
  readonly drain: number
  readonly log?: boolean
}

export interface ServeArguments extends CommonArguments, SharingArguments {
  readonly allow?: readonly string[]
  readonly claim?: ClaimArgument[]
  readonly proxyProtocol?: boolean
  readonly connectionsPerClient: number
}

export interface ConnectArguments extends CommonArguments, UserArguments {
  readonly service: string
  readonly renew?: boolean
  readonly listenUnprotected?: boolean
}

export async function runServe(terminal: Terminal, options: ServeArguments): Promise<void> {
  const { principal, allowReadableKeytab, connections, connectionsPerClient } = options
  const to = await resolved(options.to)
  if (!isOfThisMachine(to)) {
    warn(
      terminal,
      options,
      `from here to ${shownPlace(to)} nothing is encrypted, and nobody is authenticated`,
    )
  }
  const running = begin(terminal, options)
  const service = await loadService({
    keytab: keytabPath(terminal, options),
    kdc: await kdcUrls(terminal, options),
    logger: running.logger,
    ...sharedReplays(options),
    ...given({ service: principal, allowReadableKeytab }),
  })
  try {
    const tunnel = await serveTunnel({
      service,
      listen: options.listen,
      to,
      logger: running.logger,
      maxConnections: connections,
      maxConnectionsPerClient: connectionsPerClient,
      ...given({ allow: options.allow, proxyProtocol: options.proxyProtocol }),
      ...(options.claim === undefined ? {} : { claims: Object.fromEntries(collectClaims(options.claim)) }),
    })
    await running.until(tunnel, `${service.principal} listens on`, { service: service.principal })
  } finally {
    await service.close()
    await running.end()
  }
}

export async function runConnect(terminal: Terminal, options: ConnectArguments): Promise<void> {
  const listen = await resolved(options.listen)
  if (!isOfThisMachine(listen) && options.listenUnprotected !== true) throw unprotected(listen)
  const rule = userRuleFor(options, listen)
  const running = begin(terminal, options)
  const { logger } = running
  try {
    await withRealm(
      terminal,
      options,
      async realm => {
        // What is refused is refused now, and not when a program first connects.
        await realm.getServiceTicket(options.service)
        const { service, to, renew, connections } = options
        const common = { service, to, logger, timers: systemTimers, maxConnections: connections, rule }
        const tunnel = await connectTunnel({ realm, listen, ...common, ...given({ renew }) })
        await running.until(tunnel, `${realm.client} reaches ${service} by`, {
          client: realm.client,
          service,
        })
      },
      { logger, services: [options.service] },
    )
  } finally {
    await running.end()
  }
}

/** Whoever reaches it is the client, as far as the service knows. */
function unprotected(listen: Place): OrthrusError {
  return new OrthrusError(
    'unavailable',
    `${shownPlace(listen)} can be reached from other machines: whoever does would act as this client, in plain text`,
    {
      final: true,
      hint: 'listen on 127.0.0.1 or a Unix socket, or add --listen-unprotected if only those reach it who may do so',
    },
  )
}

interface Running {
  readonly logger: Logger
  /** Says where it listens, and goes on until it is to end, and what is open has ended. */
  until(tunnel: Tunnel, what: string, facts: object): Promise<void>
  end(): Promise<void>
}

function begin(terminal: Terminal, options: CommonArguments): Running {
  freeBuffersSoon()
  const { logger, end } = startKdcLog(options.log === true ? 'info' : 'warn')
  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  })
  const until = async (tunnel: Tunnel, what: string, facts: object): Promise<void> => {
    const manager = serviceManager(terminal.env, process.pid, logger)
    const [place, to] = [shownPlace(tunnel.place), shownPlace(options.to)]
    answer(terminal, options, { ...facts, listen: place, to }, `${what} ${place}, for ${to}`)
    await manager.tell('READY=1', `STATUS=${place} for ${to}`)
    await stopped
    manager.close()
    await manager.tell('STOPPING=1')
    const connections = await tunnel.close(options.drain)
    if (connections > 0) logger.warn({ connections }, 'connections were given up that had not ended in time')
  }
  return { logger, until, end }
}
