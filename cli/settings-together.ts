import { isIP } from 'node:net'
import type { KdcArguments } from './serve-kdc.js'
import { requireBothFiles } from './tls-options.js'

/**
 * Whether settings go together that are right one by one, without opening, starting or asking anything: a host of
 * `--metrics` that is a name is looked up at the start only.
 * @throws TypeError or OrthrusError as `orthrus kdc` does at its start
 */
export async function requireTogether(options: KdcArguments): Promise<void> {
  requireBothFiles(options)
  const { listen, metrics } = options
  if (metrics !== undefined && isIP(metrics.host) === 0) return
  const { metricsFor } = await import('./metrics/serve-metrics.js')
  await metricsFor(options, listen === 'systemd' ? 0 : listen.port)
}
