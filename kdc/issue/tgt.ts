import { FLAG } from '../../shared/constants.js'
import { drawFraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import { ticketGrantingService } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import type { ExchangeContext } from '../realm/context.js'
import type { View } from '../realm/directory.js'
import { tgtCaveats } from '../realm/invitation.js'
import { type MaybePromise, useValue } from '../realm/maybe-promise.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord, RealmRecord } from '../vault/records.js'
import { issueTicket, issuingService } from './issue.js'
import { endTimeOf, type LifetimeLimits, renewTillOf } from './lifetime.js'
import { tellGrant } from './service-tickets.js'

/** Ticket-granting tickets: new ones, and renewed ones (docs/protocol.md sections 6 and 7). Times in milliseconds. */

export interface TgtQuestion {
  /** The record of `krbtgt@realm`. */
  readonly granting: PrincipalRecord
  readonly client: PrincipalRecord
  readonly origin: Origin
  readonly now: number
  /** 0 asks for the longest that is allowed. */
  readonly lifetime: number
}

export interface NewTgtQuestion extends TgtQuestion {
  readonly authTime: number
  readonly renewable: boolean
  readonly passwordBased: boolean
}

/** The record of `krbtgt@realm`. @throws OrthrusError `unavailable` */
export function ticketGranting(
  { realm }: ExchangeContext,
  directory: Pick<View, 'principal'> = realm.directory,
): MaybePromise<PrincipalRecord> {
  return useValue(directory.principal(ticketGrantingService(realm.record.realm)), requireRecord)
}

function requireRecord(record: PrincipalRecord | undefined): PrincipalRecord {
  if (record === undefined) throw new OrthrusError('unavailable', 'the realm has no krbtgt any more')
  return record
}

export function grantTgt(context: ExchangeContext, question: NewTgtQuestion): Grant {
  const { granting, client, now, authTime, renewable, passwordBased } = question
  const endTime = tgtEnd(context, question, null)
  const maxima = [client.maxRenew, granting.maxRenew, context.realm.record.maxRenew]
  return issueTgt(context, question, {
    client: client.name,
    clientId: client.clientId,
    authTime,
    startTime: now,
    endTime,
    renewTill: renewable ? renewTillOf(now, endTime, maxima) : null,
    flags: passwordBased ? FLAG.PASSWORD : 0,
    claims: [],
    caveats: tgtCaveats(client),
  })
}

/** Keeps the authTime, claims and renewTill of the presented TGT, even if limits have changed since it was issued. */
export function renewTgt(
  context: ExchangeContext,
  question: TgtQuestion,
  tgt: OpenedTicket & { readonly renewTill: number },
): Grant {
  const { authTime, renewTill, flags, claims } = tgt
  const { client, now } = question
  return issueTgt(context, question, {
    client: client.name,
    clientId: client.clientId,
    authTime,
    startTime: now,
    endTime: tgtEnd(context, question, renewTill),
    renewTill,
    flags,
    claims,
    // Only a TGT without caveats is renewed (section 7, step 5).
    caveats: [],
  })
}

function tgtEnd({ realm, random }: ExchangeContext, question: TgtQuestion, renewTill: number | null): number {
  return endTimeOf(tgtLifetime(realm.record, question, renewTill), drawFraction(random))
}

/** What bounds the life of a TGT. @param renewTill null for a new one */
export function tgtLifetime(
  realm: RealmRecord,
  { granting, client, now, lifetime }: Omit<TgtQuestion, 'origin'>,
  renewTill: number | null,
): LifetimeLimits {
  const lives = [client.maxLife, granting.maxLife, realm.maxTgtLife]
  return { now, lifetime, lives, ends: [client.expiresAt, renewTill] }
}

function issueTgt(
  context: ExchangeContext,
  question: TgtQuestion,
  content: Parameters<typeof issueTicket>[1],
): Grant {
  const grant = issueTicket(issuingService(question.granting), content, context.random)
  tellGrant(context, question, grant, null)
  return grant
}
