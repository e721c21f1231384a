import { FLAG } from '../../shared/constants.js'
import { drawFraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import { ticketGrantingService } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'
import type { ExchangeContext } from '../realm/context.js'
import { type MaybePromise, useValue } from '../realm/maybe-promise.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord } from '../vault/records.js'
import { issueTicket, issuingService } from './issue.js'
import { endTimeOf, renewTillOf } from './lifetime.js'
import { tellGrant } from './service-tickets.js'

/** Ticket-granting tickets: new ones, and renewed ones (docs/protocol.md sections 6 and 7). Times in milliseconds. */

export interface TgtQuestion {
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
export function ticketGranting({ realm }: ExchangeContext): MaybePromise<PrincipalRecord> {
  return useValue(realm.directory.principal(ticketGrantingService(realm.record.realm)), requireRecord)
}

function requireRecord(record: PrincipalRecord | undefined): PrincipalRecord {
  if (record === undefined) throw new OrthrusError('unavailable', 'the realm has no krbtgt any more')
  return record
}

export async function grantTgt(context: ExchangeContext, question: NewTgtQuestion): Promise<Grant> {
  const { client, now, authTime, renewable, passwordBased } = question
  const granting = await ticketGranting(context)
  const endTime = tgtEnd(context, granting, question, null)
  const maxima = [client.maxRenew, granting.maxRenew, context.realm.record.maxRenew]
  return issueTgt(context, granting, question, {
    authTime,
    startTime: now,
    endTime,
    renewTill: renewable ? renewTillOf(now, endTime, maxima) : null,
    flags: passwordBased ? FLAG.PASSWORD : 0,
    claims: [],
  })
}

/** Keeps the authTime, claims and renewTill of the presented TGT, even if limits have changed since it was issued. */
export async function renewTgt(
  context: ExchangeContext,
  question: TgtQuestion,
  tgt: OpenedTicket & { readonly renewTill: number },
): Promise<Grant> {
  const granting = await ticketGranting(context)
  const { authTime, renewTill, flags, claims } = tgt
  const endTime = tgtEnd(context, granting, question, renewTill)
  const content = { authTime, startTime: question.now, endTime, renewTill, flags, claims }
  return issueTgt(context, granting, question, content)
}

function tgtEnd(
  { realm, random }: ExchangeContext,
  granting: PrincipalRecord,
  { client, now, lifetime }: TgtQuestion,
  renewTill: number | null,
): number {
  const lives = [client.maxLife, granting.maxLife, realm.record.maxTgtLife]
  return endTimeOf({ now, lifetime, lives, ends: [client.expiresAt, renewTill] }, drawFraction(random))
}

/** A TGT that the KDC issues has no caveats; only its holder adds some. */
function issueTgt(
  context: ExchangeContext,
  granting: PrincipalRecord,
  question: TgtQuestion,
  times: Omit<Parameters<typeof issueTicket>[1], 'client' | 'clientId' | 'caveats'>,
): Grant {
  const { client } = question
  const content = { ...times, client: client.name, clientId: client.clientId, caveats: [] }
  const grant = issueTicket(issuingService(granting), content, context.random)
  tellGrant(context, question, grant)
  return grant
}
