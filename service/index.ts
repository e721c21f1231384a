/** `orthrus/service`: protects the handlers of one service. */

export type { Admission, AdmissionRefusal, AdmissionRequest, ReplayCache } from '../shared/accept/replay.js'
export type { Channel } from '../shared/channel/channel.js'
export { OrthrusError } from '../shared/errors.js'
export type { Logger } from '../shared/logger.js'
export type { Principal, RealmName } from '../shared/principal.js'
export type { ClaimValue } from '../shared/ticket/claims.js'
export type { Clock } from '../shared/time.js'
export {
  type AcceptChannelsOptions,
  type AcceptedChannels,
  type AcceptTcpChannelsOptions,
  acceptChannels,
} from './accept-channels.js'
export type { ChannelHandler } from './channel/options.js'
export type { FeedOptions } from './feed/feed-options.js'
export type { LoadServiceOptions } from './load-options.js'
export { loadService } from './load-service.js'
export type {
  NodeTicketOptions as PermittingTicketOptions,
  StrictTicketOptions as RequireTicketOptions,
} from './node-http/options.js'
export type { OfService, ServiceEvent, ServiceTelemetryEvent } from './report/events.js'
export { logTo as logServiceEvents } from './report/log.js'
export type { CorsOptions } from './request/cors.js'
export type { DelegateRealm } from './request/handed-off.js'
export { type Header, RequestAborted, type ResponseMessage } from './request/message.js'
export type { ServiceGauges, ServiceMetrics } from './request/metrics.js'
export type { AppCaveatChecker, CaveatValue } from './request/options.js'
export type { RefusedRequest } from './request/refuse.js'
export { RequestRefused } from './request/request-refused.js'
export type { RequirementOptions } from './request/requirements.js'
export type { Service } from './request/service.js'
export type {
  FeedState,
  KeyState,
  PeerWithoutTicket,
  ServiceState,
  WithoutTicketState,
} from './request/state.js'
export type { AcceptedTicket } from './request/ticket.js'
export {
  type Middleware,
  type Next,
  type PermittingHandler,
  type RequestListener,
  requireTicket,
  type TicketHandler,
  type TicketMiddleware,
  ticketIfAny,
  ticketOf,
} from './require-ticket.js'
export type { GivenBody } from './values/body.js'
export type { VerifiedExchange } from './values/exchange.js'
export { createVerifier, type IncomingRequest, type VerifierOptions, type Verify } from './values/verifier.js'
