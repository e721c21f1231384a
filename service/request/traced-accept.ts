import { type ProvedTickets, Refusal } from '../../shared/accept/refusal.js'
import { failed, type TracedOutcome, type Tracing, traced } from '../../shared/telemetry/tracing.js'
import type { RequestMessage } from './message.js'
import { requestFields } from './refuse.js'
import type { ServiceParts } from './service.js'

/** Checks a request within a span. @param ticketsOf of one that passed; `undefined` if it has no credentials */
export function tracedAccept<T>(
  tracing: Tracing,
  { principal }: Pick<ServiceParts, 'principal'>,
  message: RequestMessage,
  check: () => Promise<T>,
  ticketsOf: (result: T) => ProvedTickets | undefined,
): Promise<T> {
  const { headers } = message
  const exchange = { name: 'AP', side: 'service', client: undefined, services: [principal], headers } as const
  return traced(
    tracing,
    { ...exchange, ...requestFields(message) },
    check,
    result => ticketsOf(result) ?? { failure: 'challenged' },
    failureOf,
  )
}

function failureOf(cause: unknown): TracedOutcome {
  if (!(cause instanceof Refusal)) return failed(cause)
  return { ...cause.proved, failure: cause.wireCode, reason: cause.reason }
}
