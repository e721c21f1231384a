import { FLAG } from '../../shared/constants.js'
import { drawFraction } from '../../shared/crypto/fraction.js'
import { isWireCode, OrthrusError, type WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { allowsService, type Caveat, earliestExpiry } from '../../shared/ticket/caveats.js'
import type { Denial, Grant } from '../../shared/ticket/grant.js'
import type { ExchangeContext } from '../realm/context.js'
import { allValues, type MaybePromise } from '../realm/maybe-promise.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord } from '../vault/records.js'
import { issueTicket, issuingService } from './issue.js'
import { endTimeOf } from './lifetime.js'
import { decide, type Terms } from './policy.js'
import type { ReplySpace } from './reply-space.js'

/** The services of one request, of AS and TGS alike (docs/protocol.md sections 6 and 7). Times in milliseconds. */

/** For whom the tickets are and what of the TGT goes on in them. */
export interface Bearer {
  readonly client: PrincipalRecord
  readonly origin: Origin
  readonly now: number
  /** What was asked for; 0 for the most allowed. */
  readonly lifetime: number
  readonly authTime: number
  /** The end of the TGT that was presented, or is granted beside them. */
  readonly tgtEnd: number
  readonly passwordBased: boolean
  /** Of the TGT and presented with it, each as it came and decoded. */
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

/** Each service is granted or denied by itself, in the order asked. @throws OrthrusError `unavailable` */
export async function grantServices(
  context: ExchangeContext,
  services: readonly Principal[],
  bearer: Bearer,
  space: ReplySpace,
): Promise<Granted> {
  const found = await allValues(services.map(service => lookUp(context, bearer, service)))
  const granted: Granted = { grants: [], denials: [] }
  for (const asked of found) {
    try {
      const grant = grantService(context, asked, bearer)
      space.take(grant)
      granted.grants.push(grant)
      tellGrant(context, bearer, grant)
    } catch (cause) {
      granted.denials.push({ service: asked.service, code: codeOf(cause, context, bearer, asked.service) })
    }
  }
  return granted
}

interface AskedService {
  readonly service: Principal
  readonly record: PrincipalRecord | undefined
  readonly rules: Parameters<typeof decide>[0]
}

function lookUp(
  { realm: { directory } }: ExchangeContext,
  { client }: Bearer,
  service: Principal,
): MaybePromise<AskedService> {
  const record = directory.principal(service)
  const rules = directory.rules(client.name, service)
  if (!(record instanceof Promise || rules instanceof Promise)) return { service, record, rules }
  return Promise.all([record, rules]).then(([record, rules]) => ({ service, record, rules }))
}

/** Policy, then `services` caveats, then sizes. */
function grantService(context: ExchangeContext, asked: AskedService, bearer: Bearer): Grant {
  const { service, record, rules } = asked
  const { client, now, authTime, passwordBased, caveats } = bearer
  const decision = decide(rules, { client: client.name, service, facts: record && factsOf(record), now })
  if (!decision.allowed) throw new OrthrusError(decision.code, decision.reason)
  if (record === undefined) throw new OrthrusError('unknown_service', 'there is no such service')
  if (
    !allowsService(
      caveats.map(({ caveat }) => caveat),
      service,
    )
  ) {
    throw new OrthrusError('caveat_failed', 'a services caveat does not name it')
  }
  const { terms } = decision
  const content = {
    client: client.name,
    clientId: client.clientId,
    authTime,
    startTime: now,
    endTime: serviceEnd(context, record, terms, bearer),
    renewTill: null,
    flags: (terms.delegable ? FLAG.DELEGABLE : 0) | (passwordBased ? FLAG.PASSWORD : 0),
    claims: terms.claims,
    caveats: [...caveats.filter(carriedOn).map(({ bytes }) => bytes), ...terms.caveats],
  }
  return issueTicket(issuingService(record), content, context.random)
}

/** `services` has done its work at the KDC: the ticket is for one of them. */
function carriedOn({ caveat }: CarriedCaveat): boolean {
  return caveat.name !== 'services'
}

function factsOf(record: PrincipalRecord): NonNullable<Parameters<typeof decide>[1]['facts']> {
  const { disabled, expiresAt, keys } = record
  return { disabled, expiresAt, passwordBased: keys[0]?.fromPassword === true }
}

function serviceEnd(
  { realm, random }: ExchangeContext,
  service: PrincipalRecord,
  terms: Terms,
  { client, now, lifetime, tgtEnd, caveats }: Bearer,
): number {
  const expiry = earliestExpiry(caveats.map(({ caveat }) => caveat))
  const lives = [client.maxLife, service.maxLife, realm.record.maxServiceLife, terms.maxLife]
  const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt]
  return endTimeOf({ now, lifetime, lives, ends }, drawFraction(random))
}

function codeOf(
  cause: unknown,
  { report }: ExchangeContext,
  { client, origin }: Bearer,
  service: Principal,
): WireCode {
  if (!(cause instanceof OrthrusError && isWireCode(cause.code))) throw cause
  const { code, reason } = cause
  report.tell({ kind: 'ticket_denied', origin, client: client.name, service, code, reason })
  return code
}

/** What was issued to whom; never the key. */
export function tellGrant(
  { report }: ExchangeContext,
  { client, origin }: Pick<Bearer, 'client' | 'origin'>,
  { service, ticketId, endTime }: Grant,
): void {
  report.tell({ kind: 'ticket_granted', origin, client: client.name, service, ticketId, endTime })
}
