import { isIP } from 'node:net'
import { requireConsole } from './console/serve-console.js'
import type { KdcArguments } from './serve-kdc.js'
import { requireBothFiles } from './tls-options.js'

/**
 * Whether settings go together that are right one by one, without opening, starting or asking anything: a host of
 * `--metrics` or `--console` that is a name is looked up at the start only.
 * @throws TypeError or OrthrusError as `orthrus kdc` does at its start
 */
export async function requireTogether(options: KdcArguments): Promise<void> {
  requireBothFiles(options)
  requireConsole(options)
  const { listen, metrics, console: page, tlsCert, allowConsoleWithoutTls = false } = options
  const port = listen === 'systemd' ? 0 : listen.port
  if (page !== undefined && isIP(page.host) !== 0) {
    const { consoleAddress } = await import('./console/address.js')
    const protection = { tls: tlsCert !== undefined, allowed: allowConsoleWithoutTls }
    await consoleAddress(page, [port, metrics?.port ?? 0], protection)
  }
  if (metrics !== undefined && isIP(metrics.host) === 0) return
  const { metricsFor } = await import('./metrics/serve-metrics.js')
  await metricsFor(options, port)
}
