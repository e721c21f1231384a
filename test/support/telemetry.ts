import { ServiceTelemetry } from '../../service/report/telemetry.js'
import type { ServiceParts } from '../../service/request/service.js'
import { silentLogger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'

/** The telemetry of a service that nobody listens to. */
export function silentTelemetry(service: Principal): Pick<ServiceParts, 'telemetry' | 'gauges'> {
  const logger = silentLogger
  return {
    telemetry: new ServiceTelemetry({ service, logger, ownerLogger: logger, onEvent: undefined }),
    gauges: () => ({ ticketCache: { tickets: 0, hits: 0, misses: 0 }, replayCache: undefined }),
  }
}
