import type { Server } from 'node:http'
import type { Logger } from '../../shared/logger.js'
import { SECOND } from '../../shared/time.js'
import { runAfter, systemTimers } from '../../shared/timers.js'
import { startKdcLog } from '../kdc-log.js'
import { serviceManager } from '../service-manager.js'
import { answer, type Terminal } from '../terminal.js'
import type { Upgrades } from './upgrades.js'

/** How either end of `orthrus proxy` runs, and ends. */

/**
 * Tuning of a server. A whole request has no limit of time, since a stream is one: what a head may take is limited, and
 * whoever waits for a piece of a body limits that.
 */
export const SERVER = {
  headersTimeout: 20 * SECOND,
  requestTimeout: 0,
  connectionsCheckingInterval: 5 * SECOND,
} as const

/** How long requests that are under way have once the proxy is to end, milliseconds. */
const PATIENCE = 10 * SECOND

export interface RunningProxy {
  readonly logger: Logger
  /** Says where it listens, and goes on until it is to end, and what is under way has ended. */
  untilStopped(server: Server, facts: object, text: string, upgrades?: Upgrades): Promise<void>
  /** Ends the log. */
  end(): Promise<void>
}

export function beginProxy(
  terminal: Terminal,
  options: { readonly logLevel: string; readonly json?: boolean },
): RunningProxy {
  const { logger, end } = startKdcLog(options.logLevel)
  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  })
  const untilStopped: RunningProxy['untilStopped'] = async (server, facts, text, upgrades) => {
    const manager = serviceManager(terminal.env, process.pid, logger)
    answer(terminal, options, facts, text)
    await manager.tell('READY=1', `STATUS=${text}`)
    await stopped
    manager.close()
    await manager.tell('STOPPING=1')
    await Promise.all([close(server), upgrades?.close(PATIENCE)])
  }
  return { logger, untilStopped, end }
}

function close(server: Server): Promise<void> {
  return new Promise(resolve => {
    const cancel = runAfter(systemTimers, PATIENCE, () => server.closeAllConnections())
    server.close(() => {
      cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}
