import type { Principal } from '../../shared/principal.js'
import type { ProvedRequest, RateLimits } from '../limits/rate-limits.js'
import type { ExchangeContext } from '../realm/context.js'
import type { Origin } from '../report/events.js'
import type { Report } from '../report/report.js'

/**
 * Who pays for a proved request (docs/protocol.md section 7). Anybody who listened can repeat one, so only its first
 * arrival counts against its client. A repeat counts against its address, and all repeats of one request are reported
 * once; but each ticket is told of, whoever asked for it.
 */

type Seen = ReturnType<RateLimits['see']>

/** How one proved request is handled. */
export interface Handling<Context> {
  readonly seen: Seen
  /** The context to answer it with. Of a repeat only what it comes to is reported. */
  readonly context: Context
  readonly origin: Origin
}

/** @param now KDC time, milliseconds */
export function handlingOf<Context extends ExchangeContext>(
  context: Context,
  client: Principal,
  request: ProvedRequest,
  now: number,
  origin: Origin,
): Handling<Context> {
  const seen = context.rates.see(client, request, now)
  if (seen === 'new') return { seen, context, origin }
  const repeatable: Origin = { ...origin, mayBeRepeat: true }
  if (seen === 'stale') return { seen, context, origin: repeatable }
  if (seen === 'repeated') context.report.tell({ kind: 'request_repeated', origin: repeatable })
  return { seen, context: { ...context, report: outcomesOnly(context.report) }, origin: repeatable }
}

/** No ticket is made whose id is in no log, and nothing is changed unseen. What is refused is told of once. */
function outcomesOnly(report: Report): Report {
  return {
    tell: event => {
      if (event.kind === 'ticket_granted' || event.kind === 'change_uncertain') report.tell(event)
    },
    record: event => report.record(event),
  }
}
