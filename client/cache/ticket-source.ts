import type { RandomSource } from '../../shared/crypto/random.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { KdcClock } from '../kdc-link/kdc-clock.js'
import type { RefusalMemory } from '../kdc-link/refusal-memory.js'
import type { Exchanged } from '../kdc-link/waiting.js'
import type { Identity, LoginKey, OwnKeys } from '../login/identity.js'
import { KdcExchanges } from '../login/session.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import type { ServiceTicket } from '../ticket/service-ticket.js'
import type { Ticket } from '../ticket/ticket.js'
import type { RequestTickets } from './ticket-queue.js'

/** The source of a realm's tickets. */
export interface TicketSource {
  /** The principal that the tickets are for. */
  readonly client: Principal
  readonly request: RequestTickets
  /** The TGT, so that a part of it can be handed on. */
  tgt(): Promise<Ticket>
  /** The only ticket, if the realm was connected with a credential for one service. */
  readonly held: Ticket | undefined
  /** Whether the tickets come from a credential that another party handed on, which then knows their keys. */
  readonly imported: boolean
  /** Undefined for a credential, which is no key, and for the login of a person, whose password is not kept. */
  readonly login: Login | undefined
  /** Resolves when what was granted so far stands in the file of the login, if there is one. Never rejects. */
  saved?(): Promise<void>
  /** Erases the login, if it is kept. */
  logout?(): Promise<void>
}

/** What a client does with its own long-term key besides getting tickets (docs/protocol.md section 12). */
export interface Login {
  /** A ticket from a login that is made now. @throws OrthrusError with the KDC's code, or `unavailable` */
  freshTicket(service: Principal): Promise<ServiceTicket>
  /** A renewable TGT from a login that is made now. @throws OrthrusError with the KDC's code, or `unavailable` */
  renewableTgt(lifetime: number): Promise<Grant>
  /** Logs in with this key. @throws OrthrusError with the KDC's code, or `unavailable` */
  prove(key: LoginKey): Promise<void>
  /** From now on the client logs in with these keys of its keytab. */
  hold(keys: OwnKeys): void
}

export interface SourceOptions {
  readonly exchange: (message: Uint8Array) => Promise<Exchanged>
  readonly time: KdcClock
  readonly random: RandomSource
  readonly logger: Logger
  readonly telemetry: Pick<ClientTelemetry, 'report' | 'tracing'>
  readonly refusals: RefusalMemory
}

/** Gets tickets with a long-term key. */
export function loginSource(identity: Identity, options: SourceOptions): TicketSource {
  const exchanges = new KdcExchanges({ ...options, identity })
  return {
    client: identity.client,
    request: (services, lifetime) => exchanges.request(services, lifetime),
    tgt: () => exchanges.tgt(),
    held: undefined,
    imported: false,
    login: {
      freshTicket: service => exchanges.freshTicket(service),
      renewableTgt: lifetime => exchanges.renewableTgt(lifetime),
      prove: key => exchanges.prove(key),
      hold: keys => identity.hold?.(keys),
    },
  }
}
