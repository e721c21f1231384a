import { TYPE } from '../../shared/constants.js'
import { messageType } from '../../shared/encoding/message.js'
import { malformed } from '../../shared/errors.js'
import { OpenedTickets } from '../../shared/ticket/opened-tickets.js'
import { CACHE } from '../limits/defaults.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import { answerUnproved } from './answer.js'
import { type AsContext, answerAs, createDummyKey } from './as.js'
import { answerParams } from './params.js'
import { answerTgs, type TgsContext } from './tgs.js'

/** One message in, its answer out; never rejects. @param address where it comes from, as rates are counted. */
export type Dispatch = (
  bytes: Uint8Array,
  address: string,
  proved?: Incoming['proved'],
) => Promise<Uint8Array>

/**
 * The KDC without a socket: AS, TGS and PARAMS requests are answered, everything else is `malformed`. An AP-OPEN is
 * for who has a connection to hold the channel (`admin/`).
 */
export function createDispatch(context: ExchangeContext): Dispatch {
  const exchanges: AsContext & TgsContext = {
    ...context,
    dummyKey: createDummyKey(context.random),
    openedTgts: new OpenedTickets(CACHE.TGTS),
  }
  return async (bytes, address, proved) => {
    const now = context.realm.time.now()
    try {
      return await answer(exchanges, { bytes, address, now, proved })
    } catch (cause) {
      return answerUnproved(cause, now, context.report, { address })
    }
  }
}

async function answer(context: AsContext & TgsContext, incoming: Incoming): Promise<Uint8Array> {
  const type = messageType(incoming.bytes)
  switch (type) {
    case TYPE.AS_REQ:
      return answerAs(context, incoming)
    case TYPE.TGS_REQ:
      return answerTgs(context, incoming)
    case TYPE.PARAMS_REQ:
      return answerParams(context, incoming)
    default:
      throw malformed(`a message of type ${type}, which is no request to a KDC`)
  }
}
