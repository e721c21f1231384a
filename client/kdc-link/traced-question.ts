import { toHex } from '../../shared/bytes.js'
import type { Asked, Reply } from '../../shared/exchange/reply.js'
import { type TracedOutcome, type Tracing, traced } from '../../shared/telemetry/tracing.js'
import type { Denied } from './refusals.js'

export type Answered = Reply & { readonly denials: readonly Denied[] }

/** Asks the KDC within a span. @throws as `ask` does */
export function askTraced<R extends Answered>(
  tracing: Tracing,
  { withTgt, client, services }: Asked,
  ask: () => Promise<R>,
): Promise<R> {
  const exchange = { name: withTgt ? 'AS' : 'TGS', side: 'client', client, services } as const
  return traced(tracing, exchange, ask, outcomeOf)
}

/** One ticket is named; of several, the events say more. */
function outcomeOf({ grants, denials }: Answered): TracedOutcome {
  const grant = grants.at(-1)
  const ticketId = grant && toHex(grant.ticketId)
  const [first] = denials
  return { ticketId, failure: first?.code, refusal: first?.refusal }
}
