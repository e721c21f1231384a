import { OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'

/** What records exchanges as spans of a trace, such as what `createTracing` of `orthrus/opentelemetry` gives. */
export interface Tracing {
  /** Begins a span for an exchange. */
  begin(exchange: TracedExchange): TracedSpan
}

/** An exchange of the protocol, as one side of it sees it when it begins. */
export interface TracedExchange {
  /** AS: a login. TGS: tickets for services. AP: a request to a service, or the opening of a channel to it. */
  readonly name: 'AS' | 'TGS' | 'AP'
  readonly side: 'client' | 'service'
  /** Those that tickets are asked for, or the one that is called. */
  readonly services: readonly Principal[]
  /** Who asks; undefined as long as the service does not know it. */
  readonly client: Principal | undefined
  /** Of a request to a service; the path is without the query. */
  readonly method?: string | undefined
  readonly origin?: string | undefined
  readonly path?: string | undefined
  /** Of a request that came: what its sender says of its own trace may be there. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/** How an exchange ended. */
export interface TracedOutcome {
  readonly client?: Principal | undefined
  readonly via?: Principal | undefined
  /** Hex. */
  readonly ticketId?: string | undefined
  readonly viaTicketId?: string | undefined
  /** Of the response. */
  readonly status?: number | undefined
  /** If it failed: a code of docs/protocol.md section 11, `challenged`, or `error`. */
  readonly failure?: string | undefined
  /** For people. */
  readonly reason?: string | undefined
  /** The id of the refusal, which both sides know. */
  readonly refusal?: string | undefined
}

/** One span. */
export interface TracedSpan {
  /** Calls `work` so that what it does belongs to the span. @returns what `work` returns */
  within<T>(work: () => T): T
  /** What a request carries so that its receiver continues the trace; may be nothing. */
  headers(): readonly (readonly [name: string, value: string])[]
  end(outcome: TracedOutcome): void
}

/** Runs an exchange within a span of its own. */
export async function traced<T>(
  tracing: Tracing,
  exchange: TracedExchange,
  run: (span: TracedSpan) => Promise<T>,
  outcomeOf: (result: T) => TracedOutcome,
  failureOf: (cause: unknown) => TracedOutcome = failed,
): Promise<T> {
  const span = tracing.begin(exchange)
  try {
    const result = await span.within(() => run(span))
    span.end(outcomeOf(result))
    return result
  } catch (cause) {
    span.end(failureOf(cause))
    throw cause
  }
}

/** What is said of a failure: what others threw may contain anything, so nothing of it is. */
export function failed(cause: unknown): TracedOutcome {
  if (!(cause instanceof OrthrusError)) return { failure: 'error' }
  const { code, reason, facts } = cause
  return { failure: code, reason, refusal: facts.refusal }
}
