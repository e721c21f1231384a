import type { KnownOptions } from '../../shared/options.js'
import { createFront, FRONT_OPTIONS, type Front, type FrontOptions } from '../request/front-options.js'
import { createGate, KNOWN_BY_GATES, type RequireTicketOptions, type TicketGate } from '../request/options.js'
import type { RefusedRequest } from '../request/refuse.js'
import { targetIn } from './request.js'

/** Options of `requireTicket` for web-standard requests. */
export interface FetchTicketOptions extends RequireTicketOptions<Request>, FrontOptions<Request> {
  /**
   * Called for each request that is refused. It may answer with a `Response`, or the promise of one: it goes out with the
   * headers of the refusal added, and with its status if that of the `Response` is below 300. Otherwise the refusal is
   * answered as usual. A request whose handler had begun, under a ticket that was then revoked, is answered before.
   */
  readonly onRefused?: (refused: RefusedRequest, request: Request) => unknown
}

/** Options with which every request that reaches the handler has a ticket. */
export interface StrictFetchOptions extends FetchTicketOptions {
  /** For a gate with it there is `PermittingTicketOptions`, whose handler gets a ticket that may be undefined. */
  readonly permitWithoutTicket?: false
}

const KNOWN: KnownOptions<FetchTicketOptions> = { ...KNOWN_BY_GATES, ...FRONT_OPTIONS }

/** The options of one `requireTicket` for web-standard requests, checked and complete. */
export interface FetchGate extends TicketGate<Request>, Front<Request> {
  readonly options: FetchTicketOptions
}

/** @throws TypeError if an option does not exist, or cannot be meant so */
export function createFetchGate(options: FetchTicketOptions): FetchGate {
  const gate = createGate<Request>(options, KNOWN)
  return { ...gate, ...createFront<Request>(options, gate, ({ url }) => targetIn(url)), options }
}
