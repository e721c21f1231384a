import { FLAG } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import { OrthrusError } from '../../shared/errors.js'
import {
  createTgsReply,
  decodeTgsRequest,
  type VerifiedTgsRequest,
  verifyTgsRequest,
} from '../../shared/exchange/tgs.js'
import { ticketGrantingService } from '../../shared/principal.js'
import { decodeCaveat } from '../../shared/ticket/caveats.js'
import type { Grant, Reply } from '../../shared/ticket/grant.js'
import type { OpenedTickets } from '../../shared/ticket/opened-tickets.js'
import { type OpenedTicket, type SealedTicket, ticketInvalid } from '../../shared/ticket/ticket.js'
import { requireValidAtKdc } from '../../shared/ticket/validity.js'
import { ReplySpace } from '../issue/reply-space.js'
import { type CarriedCaveat, grantServices } from '../issue/service-tickets.js'
import { renewTgt, ticketGranting } from '../issue/tgt.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord } from '../vault/records.js'
import { answerProved } from './answer.js'
import { requireEnabled, requireFresh, requireUnrevoked } from './client-state.js'
import { handlingOf } from './repeats.js'

export interface TgsContext extends ExchangeContext {
  /** TGTs come again and again: opened ones are remembered, and checked anew each time. */
  readonly openedTgts: OpenedTickets
}

/**
 * The TGS exchange, its checks in the order of docs/protocol.md section 7.
 * @throws OrthrusError for what is answered by ERROR 05: `malformed` and its like, `ticket_invalid`, `auth_failed`
 */
export async function answerTgs(context: TgsContext, incoming: Incoming): Promise<Uint8Array> {
  const { bytes, address, now, proved } = incoming
  const request = decodeTgsRequest(bytes)
  const { keys } = await ticketGranting(context)
  const tgt = openTgt(context, request.tgt, keys, now)
  const key = deriveAuthKey(tgt.key, request.caveats)
  const verified = verifyTgsRequest(request, key)
  const from = { exchange: 'TGS', client: tgt.client, address } as const
  const { seen, origin, context: telling } = handlingOf(context, tgt.client, verified, now, from)
  return answerProved({ key, mac: verified.mac, now, origin }, telling.report, async () => {
    requireValidAtKdc(tgt, now)
    requireFresh(verified.time, now, context.realm.time)
    const client = requireUnrevoked(tgt, await context.realm.directory.principal(tgt.client))
    requireEnabled(client, now)
    // After all that, so that whoever holds a revoked TGT uses up nothing of the client's.
    if (seen === 'new') {
      proved?.(tgt.client)
      context.rates.requireClient(tgt.client)
    } else {
      await context.rates.requireRepeat(address)
    }
    const caveats = requireKnownCaveats(tgt, verified, now)
    const reply = await replyTo(telling, { verified, tgt, client, caveats, origin, now })
    return createTgsReply(key, verified, reply, context.random)
  })
}

/** Step 1. A kvno that was retired is an unknown one. @throws OrthrusError `ticket_invalid` */
function openTgt(
  context: TgsContext,
  ticket: SealedTicket,
  keys: PrincipalRecord['keys'],
  now: number,
): OpenedTicket {
  if (ticket.service !== ticketGrantingService(context.realm.record.realm)) {
    throw ticketInvalid(ticket, 'it is no TGT of this realm')
  }
  const stored = keys.find(({ kvno }) => kvno === ticket.kvno)
  if (stored === undefined) throw ticketInvalid(ticket, 'the kvno is unknown or retired')
  return context.openedTgts.open(ticket, stored.key, now)
}

/** Step 4: those in the TGT, then those presented. @throws OrthrusError `caveat_failed` */
function requireKnownCaveats(tgt: OpenedTicket, verified: VerifiedTgsRequest, now: number): CarriedCaveat[] {
  const within = tgt.caveats.map(bytes => requireKnown(bytes, now))
  const presented = verified.caveats.map(bytes => {
    try {
      return requireKnown(bytes, now)
    } catch (cause) {
      throw tellCaveat(cause)
    }
  })
  return [...within, ...presented]
}

function requireKnown(bytes: Uint8Array, now: number): CarriedCaveat {
  const caveat = decodeCaveat(bytes)
  if (caveat.name === 'expires' && now >= caveat.time) {
    throw new OrthrusError('caveat_failed', 'the caveat expires does not hold', {
      expected: caveat.time,
      actual: now,
    })
  }
  return { bytes, caveat }
}

/** Who presents a caveat may know that it is its own that failed. */
function tellCaveat(cause: unknown): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  const caveat = cause.facts.expected === undefined ? 'of unknown form' : 'expires'
  return new OrthrusError(cause.code, cause.reason, { ...cause.facts, caveat })
}

interface Checked {
  readonly verified: VerifiedTgsRequest
  readonly tgt: OpenedTicket
  readonly client: PrincipalRecord
  readonly caveats: readonly CarriedCaveat[]
  readonly origin: Origin
  readonly now: number
}

/** Steps 5 and 6. */
async function replyTo(context: ExchangeContext, checked: Checked): Promise<Reply> {
  const { verified, tgt, client, caveats, origin, now } = checked
  const { lifetime, services } = verified
  const space = new ReplySpace(services)
  const renewed = verified.renew ? [await renew(context, checked)] : []
  for (const grant of renewed) space.take(grant)
  const bearer = {
    client,
    origin,
    now,
    lifetime,
    authTime: tgt.authTime,
    tgtEnd: tgt.endTime,
    passwordBased: (tgt.flags & FLAG.PASSWORD) !== 0,
    caveats,
  }
  const { grants, denials } = await grantServices(context, services, bearer, space)
  return { time: now, grants: [...renewed, ...grants], denials }
}

/** Step 5. @throws OrthrusError `not_renewable` */
async function renew(context: ExchangeContext, checked: Checked): Promise<Grant> {
  const { verified, tgt, client, caveats, origin, now } = checked
  const { renewTill } = tgt
  if (renewTill === null) throw notRenewable(tgt, 'is not renewable')
  if (now >= renewTill) throw notRenewable(tgt, 'can be renewed no more')
  if (caveats.length > 0) throw notRenewable(tgt, 'is under a caveat')
  return renewTgt(context, { client, origin, now, lifetime: verified.lifetime }, { ...tgt, renewTill })
}

function notRenewable(tgt: OpenedTicket, reason: string): OrthrusError {
  return new OrthrusError('not_renewable', `the TGT of ${tgt.client} ${reason}`, { principal: tgt.client })
}
