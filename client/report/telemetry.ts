import type { ErrorCode } from '../../shared/errors.js'
import { type Logger, silentLogger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { CodeCounts } from '../../shared/telemetry/counts.js'
import { type Audience, type EventCounts, Telling } from '../../shared/telemetry/telling.js'
import type { Tracing } from '../../shared/telemetry/tracing.js'
import type { ClientEvent, ClientReport, ClientTelemetryEvent, OfClient } from './events.js'
import { CLIENT_EVENT_KINDS, logTo } from './log.js'

export interface ClientTelemetryOptions {
  readonly logger: Logger
  /** The logger of a client that was given none. It drops what is neither a warning nor an error. */
  readonly ownerLogger: Logger
  readonly onEvent?: ((event: ClientTelemetryEvent) => void) | undefined
}

/** Where a client reports what it does: counted, and passed to whoever listens. */
export class ClientTelemetry {
  readonly report: ClientReport
  /** Whether anybody hears of each call and each proved answer. If not, `counts` is all that there is to do. */
  readonly callAudience: Audience
  /** Since the realm was connected. */
  readonly counts: EventCounts<ClientEvent>
  /** By code: tickets that the KDC refused, and requests that services refused or that have no proved answer. */
  readonly refusedTickets = new CodeCounts<ErrorCode>()
  readonly refusedCalls = new CodeCounts<ErrorCode>()
  /** What records exchanges as spans. It cannot fail them. */
  tracing: Tracing | undefined
  /** As whom the realm is connected, once it is known. */
  principal: Principal | undefined

  constructor({ logger, ownerLogger, onEvent }: ClientTelemetryOptions) {
    const telling = new Telling<ClientEvent, OfClient>({
      party: 'client',
      kinds: CLIENT_EVENT_KINDS,
      self: () => ({ principal: this.principal }),
      log: logTo(logger),
      isLogQuiet: logger === ownerLogger || logger === silentLogger,
      onEvent,
      failed: (hook, err) => ({ kind: 'hook_failed', hook, err }),
      lastResort: ownerLogger,
    })
    const [presented, proved] = [telling.audienceOf('call_presented'), telling.audienceOf('answer_proved')]
    this.counts = telling.counts
    this.callAudience = {
      get isListening() {
        return presented.isListening || proved.isListening
      },
    }
    this.report = event => {
      this.#count(event)
      telling.tell(event)
    }
  }

  /** Records exchanges as spans from now on. What does so is loaded for those who want it. */
  async trace(tracing: Tracing): Promise<void> {
    const { failsafeTracing } = await import('../../shared/telemetry/failsafe-tracing.js')
    this.tracing = failsafeTracing(tracing, err => this.report({ kind: 'hook_failed', hook: 'tracing', err }))
  }

  #count(event: ClientEvent): void {
    if (event.kind === 'ticket_refused') this.refusedTickets.add(event.code)
    if (event.kind === 'call_refused') this.refusedCalls.add(event.proved ? event.code : 'refused_unproved')
    if (event.kind === 'call_failed' && event.code !== undefined) this.refusedCalls.add(event.code)
  }
}
