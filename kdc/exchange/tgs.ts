import { decodePresented, namingCaveat } from '../../shared/accept/presented-ticket.js'
import { FLAG } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Reply } from '../../shared/exchange/reply.js'
import {
  createTgsReply,
  decodeTgsRequest,
  type VerifiedTgsRequest,
  verifyTgsRequest,
} from '../../shared/exchange/tgs.js'
import { ticketGrantingService } from '../../shared/principal.js'
import { decodeCaveat } from '../../shared/ticket/caveats.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { OpenedTickets } from '../../shared/ticket/opened-tickets.js'
import { type OpenedTicket, type SealedTicket, ticketInvalid } from '../../shared/ticket/ticket.js'
import { requireValid } from '../../shared/ticket/validity.js'
import { lookUpRecords } from '../issue/look-up.js'
import { ReplySpace } from '../issue/reply-space.js'
import { type CarriedCaveat, grantServices, type RequestedService } from '../issue/service-tickets.js'
import { renewTgt, ticketGranting } from '../issue/tgt.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import { decideFromCurrent } from '../realm/decide.js'
import { requireEnabled } from '../realm/login.js'
import { openingKey } from '../realm/principal-keys.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord } from '../vault/records.js'
import { answerProved } from './answer.js'
import { requireFresh, requireUnrevoked } from './client-state.js'
import { handlingOf } from './repeats.js'

export interface TgsContext extends ExchangeContext {
  /** Clients present the same TGT many times: opened TGTs are remembered, and checked again each time. */
  readonly openedTgts: OpenedTickets
}

/**
 * The TGS exchange, its checks in the order of docs/protocol.md section 7.
 * @throws OrthrusError for what is answered with ERROR 05: `malformed` and other decoding errors, `ticket_invalid`,
 * `auth_failed`
 */
export async function answerTgs(context: TgsContext, incoming: Incoming): Promise<Uint8Array> {
  const { bytes, address, now, proved } = incoming
  const request = decodeTgsRequest(bytes)
  const known = ticketGranting(context)
  let granting = known instanceof Promise ? await known : known
  const { lookAgain } = context.realm
  // No kvno is used twice, so only a higher one can be another KDC's fresh one.
  if (lookAgain !== undefined && request.tgt.kvno > granting.lastKvno) {
    await lookAgain.look(granting.name)
    granting = await ticketGranting(context)
  }
  const tgt = openTgt(context, request.tgt, granting, now)
  const key = deriveAuthKey(tgt.key, request.caveats)
  const verified = verifyTgsRequest(request, key)
  const from = { exchange: 'TGS', client: tgt.client, address, tgt: tgt.ticketId } as const
  const { seen, origin, context: telling } = handlingOf(context, tgt.client, verified, now, from)
  return answerProved({ key, mac: verified.mac, now, origin }, telling, async () => {
    requireValid(tgt, now)
    requireFresh(verified.time, now, context.realm.time)
    requireStanding(context, tgt, await context.realm.directory.principal(tgt.client), now)
    // Counted after these checks, so that the holder of a revoked TGT cannot use up the client's allowance.
    if (seen === 'new') {
      proved?.(tgt.client)
      context.rates.requireClient(tgt.client)
    } else {
      context.rates.requireRepeat(address)
    }
    const caveats = requireKnownCaveats(tgt, verified, now)
    const { directory } = context.realm
    return decideFromCurrent(
      directory,
      view => lookUpRecords(context, view, tgt.client, verified.services),
      ({ granting, client, services }) => {
        requireTgtKey(tgt, granting, now)
        const standing = requireStanding(context, tgt, client, now)
        const isNew = seen === 'new'
        const checked = { verified, tgt, granting, client: standing, services, caveats, origin, now, isNew }
        return createTgsReply(key, verified, replyTo(telling, checked), context.random)
      },
    )
  })
}

/** Step 3. @throws OrthrusError `revoked` `principal_disabled` */
function requireStanding(
  { realm }: ExchangeContext,
  tgt: OpenedTicket,
  record: PrincipalRecord | undefined,
  now: number,
): PrincipalRecord {
  const client = requireUnrevoked(tgt, record, realm.revocations)
  requireEnabled(client, now)
  return client
}

/** Step 1. A retired kvno counts as unknown. @throws OrthrusError `ticket_invalid` */
function openTgt(
  context: TgsContext,
  ticket: SealedTicket,
  granting: PrincipalRecord,
  now: number,
): OpenedTicket {
  if (ticket.service !== ticketGrantingService(context.realm.record.realm)) {
    throw ticketInvalid(ticket, 'it is not a TGT of this realm')
  }
  return context.openedTgts.open(ticket, requireTgtKey(ticket, granting, now), now)
}

function requireTgtKey(
  ticket: Pick<SealedTicket, 'service' | 'kvno'>,
  granting: PrincipalRecord,
  now: number,
): LongTermKey {
  const stored = openingKey(granting, ticket.kvno, now)
  if (stored === undefined) throw ticketInvalid(ticket, 'the kvno is unknown or retired')
  return stored.key
}

/** Step 4: first the caveats in the TGT, then those presented with it. @throws OrthrusError `caveat_failed` */
function requireKnownCaveats(tgt: OpenedTicket, verified: VerifiedTgsRequest, now: number): CarriedCaveat[] {
  const ofTgt = tgt.caveats.map(bytes => requireUnexpired({ bytes, caveat: decodeCaveat(bytes) }, now))
  const presented = verified.caveats.map(bytes => {
    const carried = { bytes, caveat: decodePresented(bytes) }
    try {
      return requireUnexpired(carried, now)
    } catch (cause) {
      throw namingCaveat(cause, carried.caveat.name)
    }
  })
  return [...ofTgt, ...presented]
}

function requireUnexpired(carried: CarriedCaveat, now: number): CarriedCaveat {
  const { caveat } = carried
  if (caveat.name !== 'expires' || now < caveat.time) return carried
  throw new OrthrusError('caveat_failed', 'the caveat expires has ended', {
    expected: caveat.time,
    actual: now,
  })
}

interface Checked {
  readonly verified: VerifiedTgsRequest
  readonly tgt: OpenedTicket
  readonly granting: PrincipalRecord
  readonly client: PrincipalRecord
  readonly services: readonly RequestedService[]
  readonly caveats: readonly CarriedCaveat[]
  readonly origin: Origin
  readonly now: number
  readonly isNew: boolean
}

/** Steps 5 and 6. @throws OrthrusError `rate_limited`, `not_renewable` */
function replyTo(context: ExchangeContext, checked: Checked): Reply {
  const { verified, tgt, client, services, caveats, origin, now, isNew } = checked
  const { lifetime } = verified
  const space = new ReplySpace(verified.services)
  const renewed = verified.renew ? [renew(context, checked)] : []
  for (const grant of renewed) space.take(grant)
  const bearer = {
    client,
    origin,
    mac: verified.mac,
    now,
    lifetime,
    authTime: tgt.authTime,
    tgtEnd: tgt.endTime,
    passwordBased: (tgt.flags & FLAG.PASSWORD) !== 0,
    isNew,
    caveats,
  }
  const { grants, denials, limited } = grantServices(context, services, bearer, space)
  // A denial has no room for the time to wait. Nothing is lost where there is nothing else to answer.
  if (limited !== undefined && denials.length === services.length && renewed.length === 0) throw limited
  return { time: now, grants: [...renewed, ...grants], denials }
}

/** Step 5. @throws OrthrusError `not_renewable` */
function renew(context: ExchangeContext, checked: Checked): Grant {
  const { verified, tgt, granting, client, caveats, origin, now } = checked
  const { renewTill } = tgt
  if (renewTill === null) throw notRenewable(tgt, 'is not renewable')
  if (now >= renewTill) throw notRenewable(tgt, 'has passed the time until which it can be renewed')
  if (caveats.length > 0) throw notRenewable(tgt, 'has a caveat')
  return renewTgt(
    context,
    { granting, client, origin, now, lifetime: verified.lifetime },
    { ...tgt, renewTill },
  )
}

function notRenewable(tgt: OpenedTicket, reason: string): OrthrusError {
  return new OrthrusError('not_renewable', `the TGT of ${tgt.client} ${reason}`, { principal: tgt.client })
}
