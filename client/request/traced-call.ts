import { failed, type TracedOutcome, type Tracing, traced } from '../../shared/telemetry/tracing.js'
import type { CallFields } from '../report/events.js'
import type { Presenting } from './presenting.js'
import { type CallTeller, callFields, placeOf } from './told-call.js'

/** Presents a ticket within a span, whose trace the request may carry on. */
export function presentTraced<T extends object>(
  tracing: Tracing,
  teller: CallTeller,
  use: Presenting<T>,
  present: (use: Presenting<T>) => Promise<T>,
): Promise<T> {
  const { service, ticket } = use
  const client = ticket?.client ?? teller.client
  let fields: CallFields | undefined
  return traced(
    tracing,
    { name: 'AP', side: 'client', client, services: [service], ...placeOf(use) },
    span =>
      present({
        ...use,
        send: presented => {
          fields = callFields(teller, use, presented)
          return use.send({ ...presented, trace: span.headers() })
        },
      }),
    answer => ({ ...ticketsOf(fields), status: use.answered?.(answer).status }),
    cause => ({ ...ticketsOf(fields), ...failed(cause) }),
  )
}

/** Undefined if nothing was sent. */
function ticketsOf(fields: CallFields | undefined): TracedOutcome {
  if (fields === undefined) return {}
  const { client, via, ticketId, viaTicketId } = fields
  return { client, via, ticketId, viaTicketId }
}
