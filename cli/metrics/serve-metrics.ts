import type { RunningKdc } from '../../kdc/main.js'
import type { Logger } from '../../shared/logger.js'
import { packageVersion } from '../../shared/package-version.node.js'
import type { ListenAddress } from './address.js'
import type { MetricsListener } from './listener.js'

/** `--metrics` of `orthrus kdc`. */

export interface MetricsArguments {
  readonly metrics?: ListenAddress
  readonly metricsPublic?: boolean
}

/** Shows the metrics of a KDC that was started with `metrics: true`. @throws OrthrusError `unavailable` */
export type ShowMetrics = (kdc: RunningKdc, logger: Logger) => Promise<MetricsListener>

/**
 * Loads what shows metrics, if they are asked for, and refuses an address before the KDC starts.
 * @throws OrthrusError `unavailable`, TypeError for `--metrics-public` alone
 */
export async function metricsFor(
  { metrics, metricsPublic = false }: MetricsArguments,
  kdcPort: number,
): Promise<ShowMetrics | undefined> {
  if (metrics === undefined) {
    if (metricsPublic) throw new TypeError('--metrics-public opens what --metrics HOST:PORT shows: give both')
    return undefined
  }
  const { metricsAddress } = await import('./address.js')
  const { startMetricsListener } = await import('./listener.js')
  const { metricsWriter } = await import('./registry.js')
  const address = await metricsAddress(metrics, kdcPort, metricsPublic)
  return (kdc, logger) =>
    startMetricsListener(address, { kdc, write: metricsWriter(packageVersion()), logger })
}
