import type { WireCode } from '../../shared/errors.js'
import { type Logger, silentLogger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { CodeCounts } from '../../shared/telemetry/counts.js'
import { type Audience, type EventCounts, Telling } from '../../shared/telemetry/telling.js'
import type { OfService, Report, ServiceEvent, ServiceTelemetryEvent } from './events.js'
import { logTo, SERVICE_EVENT_KINDS } from './log.js'

export interface ServiceTelemetryOptions {
  readonly service: Principal
  readonly logger: Logger
  /** The logger of a service that was given none. It drops what is neither a warning nor an error. */
  readonly ownerLogger: Logger
  readonly onEvent: ((event: ServiceTelemetryEvent) => void) | undefined
}

/** Where a service reports what it does: counted, and passed to whoever listens. */
export class ServiceTelemetry {
  readonly report: Report
  /** Whether anybody hears of each accepted request. If not, `counts.accepted` is all that there is to do. */
  readonly acceptedAudience: Audience
  /** Since the service was loaded. */
  readonly counts: EventCounts<ServiceEvent>
  /** Requests that were refused, replayed ones among them, by the code that they were answered with. */
  readonly refused = new CodeCounts<WireCode>()
  openChannels = 0

  constructor({ service, logger, ownerLogger, onEvent }: ServiceTelemetryOptions) {
    const telling = new Telling<ServiceEvent, OfService>({
      party: 'service',
      kinds: SERVICE_EVENT_KINDS,
      self: () => ({ service }),
      log: logTo(logger),
      isLogQuiet: logger === ownerLogger || logger === silentLogger,
      onEvent,
      failed: (hook, err) => ({ kind: 'hook_failed', hook, err }),
      lastResort: ownerLogger,
    })
    this.counts = telling.counts
    this.acceptedAudience = telling.audienceOf('accepted')
    this.report = event => {
      if (event.kind === 'refused' || event.kind === 'replayed') this.refused.add(event.code)
      telling.tell(event)
    }
  }
}
