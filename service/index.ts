/** `orthrus/service`: protects the handlers of one service. */

export type { Admission, AdmissionRefusal, AdmissionRequest, ReplayCache } from '../shared/accept/replay.js'
export { OrthrusError } from '../shared/errors.js'
export type { Logger } from '../shared/logger.js'
export type { Principal, Realm } from '../shared/principal.js'
export type { ClaimValue } from '../shared/ticket/ticket.js'
export type { Clock } from '../shared/time.js'
export type { AppCaveatChecker, CaveatValue, RequireTicketOptions } from './filter.js'
export type { DelegateRealm } from './handed-off.js'
export { type LoadServiceOptions, loadService } from './load-service.js'
export type { RefusedRequest } from './refuse.js'
export {
  type RequestListener,
  requireTicket,
  type TicketHandler,
  type TicketMiddleware,
} from './require-ticket.js'
export type { RequirementOptions } from './requirements.js'
export type { Schedule } from './schedule.js'
export type { Service } from './service.js'
export type { Ticket } from './ticket.js'
