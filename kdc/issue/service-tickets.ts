import type { DecidingRule } from '../../shared/administration/rules.js'
import { FLAG } from '../../shared/constants.js'
import { drawFraction } from '../../shared/crypto/fraction.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { isWireCode, OrthrusError, type WireCode } from '../../shared/errors.js'
import type { Denial } from '../../shared/exchange/reply.js'
import { kdcService, type Principal, realmOf } from '../../shared/principal.js'
import { allowsService, type Caveat, earliestExpiry } from '../../shared/ticket/caveats.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { ExchangeContext } from '../realm/context.js'
import type { View } from '../realm/directory.js'
import { allValues, type MaybePromise } from '../realm/maybe-promise.js'
import { currentKey } from '../realm/principal-keys.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord, RealmRecord } from '../vault/records.js'
import { issueTicket, issuingService } from './issue.js'
import { endTimeOf, type LifetimeLimits } from './lifetime.js'
import { type Decision, decide, type Terms } from './policy.js'
import type { ReplySpace } from './reply-space.js'

/**
 * Tickets for the services that an AS or TGS request names (docs/protocol.md sections 6 and 7). Times in milliseconds.
 */

/** The client that the tickets are for, and what they take over from the TGT. */
export interface Bearer {
  readonly client: PrincipalRecord
  readonly origin: Origin
  readonly now: number
  /** What was asked for; 0 asks for the longest that is allowed. */
  readonly lifetime: number
  readonly authTime: number
  /** The end of the TGT that was presented, or is granted in the same reply. */
  readonly tgtEnd: number
  readonly passwordBased: boolean
  /** The caveats in the TGT and those presented with it, each as bytes and decoded. */
  readonly caveats: readonly CarriedCaveat[]
}

export interface CarriedCaveat {
  readonly bytes: Uint8Array
  readonly caveat: Caveat
}

export interface Granted {
  readonly grants: Grant[]
  readonly denials: Denial[]
}

/** Finds what the decision about each service needs. @throws OrthrusError `unavailable` */
export function lookUpServices(
  view: View,
  client: Principal,
  services: readonly Principal[],
): MaybePromise<readonly RequestedService[]> {
  return allValues(services.map(service => lookUp(view, client, service)))
}

/** Grants or denies each service independently, in the order of the request. */
export function grantServices(
  context: ExchangeContext,
  found: readonly RequestedService[],
  bearer: Bearer,
  space: ReplySpace,
): Granted {
  const granted: Granted = { grants: [], denials: [] }
  for (const requested of found) {
    const decision = decideFor(requested, bearer.client.name, bearer.now)
    try {
      const grant = grantService(context, requested, bearer, decision)
      space.take(grant)
      granted.grants.push(grant)
      tellGrant(context, bearer, grant, decision.rule)
    } catch (cause) {
      const { service } = requested
      granted.denials.push({ service, code: codeOf(cause, context, bearer, service, decision.rule) })
    }
  }
  return granted
}

export interface RequestedService {
  readonly service: Principal
  readonly record: PrincipalRecord | undefined
  readonly rules: Parameters<typeof decide>[0]
}

function lookUp(view: View, client: Principal, service: Principal): MaybePromise<RequestedService> {
  const record = view.principal(service)
  const rules = view.rules(client, service)
  if (!(record instanceof Promise || rules instanceof Promise)) return { service, record, rules }
  return Promise.all([record, rules]).then(([record, rules]) => ({ service, record, rules }))
}

/** The decision of policy alone. */
export function decideFor(
  { service, record, rules }: RequestedService,
  client: Principal,
  now: number,
): Decision {
  return decide(rules, { client, service, facts: record && factsOf(record), now })
}

/** Seals what `contentFor` says, and checks sizes. */
function grantService(
  { realm, random }: ExchangeContext,
  requested: RequestedService,
  bearer: Bearer,
  decision: Decision,
): Grant {
  const { record, content } = contentFor(realm.record, requested, bearer, decision, random)
  return issueTicket(issuingService(record), content, random)
}

/** Who asks for a ticket, without where from. */
export type Applicant = Omit<Bearer, 'origin'>

/** A service that there is, and what its ticket will contain besides what is drawn for it. */
export interface DecidedTicket {
  readonly record: PrincipalRecord
  readonly content: Parameters<typeof issueTicket>[1]
}

/**
 * Checks policy, then `services` caveats.
 * @param random draws by how much the ticket lives shorter than it may; `undefined` for not at all
 * @throws OrthrusError with the code of the denial
 */
export function contentFor(
  realm: RealmRecord,
  { service, record }: RequestedService,
  applicant: Applicant,
  decision: Decision,
  random: RandomSource | undefined,
): DecidedTicket {
  const { client, authTime, passwordBased, caveats } = applicant
  if (!decision.allowed) throw new OrthrusError(decision.code, decision.reason)
  if (record === undefined) throw new OrthrusError('unknown_service', 'there is no such service')
  if (
    !allowsService(
      caveats.map(({ caveat }) => caveat),
      service,
    )
  ) {
    throw new OrthrusError('caveat_failed', 'a services caveat does not name the service')
  }
  const { terms } = decision
  const shortening = random === undefined ? 0 : drawFraction(random)
  const content = {
    client: client.name,
    clientId: client.clientId,
    authTime,
    startTime: applicant.now,
    endTime: endTimeOf(lifetimeFor(realm, record, terms, applicant), shortening),
    renewTill: null,
    flags: (terms.delegable ? FLAG.DELEGABLE : 0) | (passwordBased ? FLAG.PASSWORD : 0),
    // An invitation may do nothing but enrol, whatever a rule for everyone grants (section 12).
    claims: client.invitation === null ? terms.claims : [],
    caveats: [
      ...caveats.filter(carried => isCarriedOn(carried, service)).map(({ bytes }) => bytes),
      ...terms.caveats,
    ],
  }
  return { record, content }
}

/**
 * `services` is not carried on: the KDC has checked it, and the ticket is for one of those services. But a ticket for the
 * KDC itself bears it, so that the KDC sees that whoever presents it has only a part of the TGT, and lets it change no
 * key (section 12).
 */
function isCarriedOn({ caveat }: CarriedCaveat, service: Principal): boolean {
  return caveat.name !== 'services' || service === kdcService(realmOf(service))
}

function factsOf(record: PrincipalRecord): NonNullable<Parameters<typeof decide>[1]['facts']> {
  const { disabled, expiresAt } = record
  // An invitation is no service, so nothing is sealed under its key.
  const key = record.invitation === null ? currentKey(record) : undefined
  return { disabled, expiresAt, hasKey: key !== undefined, passwordBased: key?.fromPassword === true }
}

/** What bounds the life of a ticket; `explain.ts` names the bounds in the same order. */
export function lifetimeFor(
  realm: RealmRecord,
  service: PrincipalRecord,
  terms: Pick<Terms, 'maxLife'>,
  { client, now, lifetime, tgtEnd, caveats }: Applicant,
): LifetimeLimits {
  const expiry = earliestExpiry(caveats.map(({ caveat }) => caveat))
  const lives = [client.maxLife, service.maxLife, realm.maxServiceLife, terms.maxLife]
  const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt]
  return { now, lifetime, lives, ends }
}

function codeOf(
  cause: unknown,
  { report }: ExchangeContext,
  { client, origin }: Bearer,
  service: Principal,
  rule: DecidingRule | null,
): WireCode {
  if (!(cause instanceof OrthrusError && isWireCode(cause.code))) throw cause
  const { code, reason } = cause
  report.tell({ kind: 'ticket_denied', origin, client: client.name, service, rule, code, reason })
  return code
}

/** Reports what was issued to which client; never the key. */
export function tellGrant(
  { report }: ExchangeContext,
  { client, origin }: Pick<Bearer, 'client' | 'origin'>,
  { service, ticketId, endTime }: Grant,
  rule: DecidingRule | null,
): void {
  report.tell({ kind: 'ticket_granted', origin, client: client.name, service, rule, ticketId, endTime })
}
