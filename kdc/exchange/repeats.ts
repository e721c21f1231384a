import type { Principal } from '../../shared/principal.js'
import type { ProvedRequest, RateLimits } from '../limits/rate-limits.js'
import type { ExchangeContext } from '../realm/context.js'
import type { Origin } from '../report/events.js'
import { SILENT_REPORT } from '../report/report.js'

/**
 * What a proved request may cost, and whom (docs/protocol.md section 7): anybody who listened can repeat it, so only the
 * first of its kind counts for its client. A repeat counts for its address, and all repeats of one request are told once.
 */

type Seen = ReturnType<RateLimits['see']>

/** How one proved request is dealt with. */
export interface Handling<Context> {
  readonly seen: Seen
  /** What it is answered with: for a repeat one that tells nothing. */
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
  const anybodys: Origin = { ...origin, mayBeRepeat: true }
  if (seen === 'stale') return { seen, context, origin: anybodys }
  if (seen === 'repeated') context.report.tell({ kind: 'request_repeated', origin: anybodys })
  return { seen, context: { ...context, report: SILENT_REPORT }, origin: anybodys }
}
