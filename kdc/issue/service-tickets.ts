import {
  type Decision,
  decide,
  type PolicyQuestion,
  type Terms,
} from '../../shared/administration/policy-decision.js'
import type { DecidingRule } from '../../shared/administration/rule.js'
import { FLAG } from '../../shared/constants.js'
import { drawFraction } from '../../shared/crypto/fraction.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { refusalId } from '../../shared/encoding/refusal-id.js'
import { isWireCode, OrthrusError, type WireCode } from '../../shared/errors.js'
import type { Denial } from '../../shared/exchange/reply.js'
import { NO_GROUPS, type Pattern } from '../../shared/pattern.js'
import { kdcService, type Principal, realmOf } from '../../shared/principal.js'
import { allowsService, type Caveat, earliestExpiry } from '../../shared/ticket/caveats.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { ExchangeContext } from '../realm/context.js'
import type { View } from '../realm/directory.js'
import { allValues, type MaybePromise, useValue } from '../realm/maybe-promise.js'
import { currentKey } from '../realm/principal-keys.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord, RealmRecord } from '../vault/records.js'
import { issueTicket, issuingService } from './issue.js'
import { endTimeOf, type LifetimeLimits } from './lifetime.js'
import type { ReplySpace } from './reply-space.js'

/**
 * Tickets for the services that an AS or TGS request names (docs/protocol.md sections 6 and 7). Times in milliseconds.
 */

/** The client that the tickets are for, and what they take over from the TGT. */
export interface Bearer {
  readonly client: PrincipalRecord
  readonly origin: Origin
  /** Of the request, by which its refusals are named. */
  readonly mac: Uint8Array
  readonly now: number
  /** What was asked for; 0 asks for the longest that is allowed. */
  readonly lifetime: number
  readonly authTime: number
  /** The end of the TGT that was presented, or is granted in the same reply. */
  readonly tgtEnd: number
  readonly passwordBased: boolean
  /** Whether the request was not seen before. A repeat takes nothing of what its client may have. */
  readonly isNew: boolean
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
  /** Of a service whose rule had no ticket left for the client: says when it has again. */
  readonly limited: OrthrusError | undefined
}

/** Finds what the decision about each service needs. @throws OrthrusError `unavailable` */
export function lookUpServices(
  view: View,
  client: Pick<PrincipalRecord, 'name' | 'groups'>,
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
  const grants: Grant[] = []
  const denials: Denial[] = []
  let limited: OrthrusError | undefined
  for (const requested of found) {
    const decision = decideFor(requested, bearer.client, bearer.now)
    try {
      const grant = grantService(context, requested, bearer, decision)
      space.take(grant)
      grants.push(grant)
      tellGrant(context, bearer, grant, decision.rule)
    } catch (cause) {
      const { service } = requested
      if (cause instanceof OrthrusError && cause.code === 'rate_limited') limited ??= cause
      denials.push({ service, code: codeOf(cause, context, bearer, service, decision.rule) })
    }
  }
  return { grants, denials, limited }
}

export interface RequestedService {
  readonly service: Principal
  readonly record: PrincipalRecord | undefined
  readonly rules: Parameters<typeof decide>[0]
}

/** The rules are looked up second, as groups of the two are in the records of both. */
function lookUp(
  view: View,
  client: Pick<PrincipalRecord, 'name' | 'groups'>,
  service: Principal,
): MaybePromise<RequestedService> {
  return useValue(view.principal(service), record => {
    const groups = { client: client.groups, service: groupsOf(record) }
    return useValue(view.rules(client.name, service, groups), rules => ({ service, record, rules }))
  })
}

/** Those of a principal that does not exist, too. */
export function groupsOf(record: PrincipalRecord | undefined): readonly Pattern[] {
  return record?.groups ?? NO_GROUPS
}

/** The decision of policy alone. */
export function decideFor(
  requested: RequestedService,
  client: Pick<PrincipalRecord, 'name' | 'groups'>,
  now: number,
): Decision {
  return decide(requested.rules, questionFor(requested, client, now))
}

/** What policy is asked. */
export function questionFor(
  { service, record }: RequestedService,
  client: Pick<PrincipalRecord, 'name' | 'groups'>,
  now: number,
): PolicyQuestion {
  const groups = { client: client.groups, service: groupsOf(record) }
  return { client: client.name, service, groups, facts: record && factsOf(record), now }
}

/** Seals what `contentFor` says, and checks the rate of the rule, and sizes. */
function grantService(
  { realm, rates, random }: ExchangeContext,
  requested: RequestedService,
  bearer: Bearer,
  decision: Decision,
): Grant {
  const { record, content } = contentFor(realm.record, requested, bearer, decision, random)
  const { rule } = decision
  if (decision.allowed && decision.terms.rate !== null && rule !== null)
    rates.requireRule(bearer.client.name, rule, decision.terms.rate, bearer.isNew)
  return issueTicket(issuingService(record), content, random)
}

/** Who asks for a ticket, without where from. */
export type Applicant = Omit<Bearer, 'origin' | 'isNew' | 'mac'>

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
  terms: Pick<Terms, 'maxLife' | 'until'>,
  { client, now, lifetime, tgtEnd, caveats }: Applicant,
): LifetimeLimits {
  const expiry = earliestExpiry(caveats.map(({ caveat }) => caveat))
  const lives = [client.maxLife, service.maxLife, realm.maxServiceLife, terms.maxLife]
  const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt, terms.until]
  return { now, lifetime, lives, ends }
}

function codeOf(
  cause: unknown,
  { report }: ExchangeContext,
  { client, origin, mac }: Bearer,
  service: Principal,
  rule: DecidingRule | null,
): WireCode {
  if (!(cause instanceof OrthrusError && isWireCode(cause.code))) throw cause
  const { code, reason } = cause
  report.tell({
    kind: 'ticket_denied',
    id: refusalId(mac),
    origin,
    client: client.name,
    service,
    rule,
    code,
    reason,
  })
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
