export type { Channel } from '../shared/channel/channel.js'
export { type ErrorCode, type ErrorFacts, OrthrusError } from '../shared/errors.js'
export type { PasswordParameters } from '../shared/exchange/params.js'
export { type Logger, silentLogger } from '../shared/logger.js'
export type { ClaimValue } from '../shared/ticket/claims.js'
export type { Clock } from '../shared/time.js'
export type { Timers } from '../shared/timers.js'
export { connect } from './connect.js'
export type {
  ConnectOptions,
  CredentialLogin,
  KeptLogin,
  KeytabLogin,
  PasswordLogin,
} from './connect-options.js'
export type { ParametersCache } from './login/password.js'
export type { RealmMetrics } from './metrics.js'
export type { Realm } from './realm.js'
export type { AgentOptions, Caller, ImportOptions, RealmFetchInit, TicketOptions } from './realm-options.js'
export type { CallFields, ClientEvent, ClientTelemetryEvent, OfClient } from './report/events.js'
export { logTo as logClientEvents } from './report/log.js'
export type { RealmResponse } from './request/http-response.js'
export type { OpenChannelOptions } from './service-channel/options.js'
export type { Attenuation } from './ticket/attenuation.js'
export type { ServiceTicket } from './ticket/service-ticket.js'
export type { CredentialOptions, Ticket } from './ticket/ticket.js'
