import { TYPE } from '../../shared/constants.js'
import { messageType } from '../../shared/encoding/message.js'
import { malformed } from '../../shared/errors.js'
import { ticketGrantingService } from '../../shared/principal.js'
import { OpenedTickets } from '../../shared/ticket/opened-tickets.js'
import { CACHE } from '../limits/defaults.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import { answerUnproved, isOneTooMany } from './answer.js'
import { type AsContext, answerAs, createDummyKey } from './as.js'
import { answerParams } from './params.js'
import { answerTgs, type TgsContext } from './tgs.js'
import { heardExchange, tellingExchange } from './told-exchange.js'

export interface Dispatch {
  /** Answers one message; never rejects. @param address where it comes from, for the rate limits */
  (bytes: Uint8Array, address: string, proved?: Incoming['proved']): Promise<Uint8Array>
  /** The TGTs that are remembered opened. */
  readonly openedTgts: Pick<OpenedTickets, 'hits' | 'misses' | 'size'>
}

/**
 * The KDC without a socket: answers AS, TGS and PARAMS requests; everything else is `malformed`. An AP-OPEN needs a
 * connection that carries the channel (`channel/`).
 */
export function createDispatch(context: ExchangeContext): Dispatch {
  const exchanges: AsContext & TgsContext = {
    ...context,
    dummyKey: createDummyKey(context.random),
    openedTgts: new OpenedTickets(CACHE.TGTS),
  }
  const { directory, record } = context.realm
  const granting = ticketGrantingService(record.realm)
  // A key that was erased must not stay in memory with the tickets that it opened.
  directory.onPrincipal(name => {
    if (name === undefined || name === granting) exchanges.openedTgts.clear()
  })
  const dispatch = (bytes: Uint8Array, address: string, proved?: Incoming['proved']) => {
    const incoming = { bytes, address, now: context.realm.time.now(), proved }
    const heard = heardExchange(bytes)
    if (heard === undefined) return answerAny(exchanges, incoming)
    return tellingExchange(heard, exchanges, incoming, telling => answerAny(telling, incoming))
  }
  return Object.assign(dispatch, { openedTgts: exchanges.openedTgts })
}

async function answerAny(context: AsContext & TgsContext, incoming: Incoming): Promise<Uint8Array> {
  try {
    return await answer(context, incoming)
  } catch (cause) {
    const { bytes, address, now } = incoming
    // Logins that prove nothing have taken their turn before they were checked.
    if (isOneTooMany(cause) && bytes[1] === TYPE.PARAMS_REQ) await context.rates.turnOfRefused(address)
    return answerUnproved(cause, now, context.report, { address }, bytes)
  }
}

async function answer(context: AsContext & TgsContext, incoming: Incoming): Promise<Uint8Array> {
  // Nobody is refused either, by a KDC that may not have heard of what it was granted.
  context.realm.directory.requireCurrent()
  const type = messageType(incoming.bytes)
  switch (type) {
    case TYPE.AS_REQ:
      return answerAs(context, incoming)
    case TYPE.TGS_REQ:
      return answerTgs(context, incoming)
    case TYPE.PARAMS_REQ:
      return answerParams(context, incoming)
    default:
      throw malformed(`a message of type ${type} is not a request to a KDC`)
  }
}
