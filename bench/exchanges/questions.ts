import { SIZE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import type { AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createAsRequest, openAsReply } from '../../shared/exchange/as.js'
import type { Reply } from '../../shared/exchange/reply.js'
import { createTgsRequest, openTgsReply } from '../../shared/exchange/tgs.js'
import type { Principal } from '../../shared/principal.js'
import { decodeTicket, type SealedTicket } from '../../shared/ticket/ticket.js'
import { serviceName } from './realm.js'

/** A client as simulated by the load generator. */
export interface Actor {
  readonly client: Principal
  readonly key: LongTermKey
  readonly tgt: SealedTicket
  readonly tgtKey: AuthKey
}

/** A request, and the function that opens its answer. */
export interface Asked {
  readonly bytes: Uint8Array
  open(answer: Uint8Array): Reply
}

/** What distinguishes the rows of the KDC: AS or TGS, and for how many services. */
export interface Exchange {
  readonly exchange: 'AS' | 'TGS'
  readonly services: number
}

export function askAs(client: Principal, key: LongTermKey, count: number): Asked {
  const services = servicesOf(count)
  const [time, nonce] = [Date.now(), systemRandom(SIZE.NONCE)]
  const question = { client, kvno: 1, time, nonce, services, lifetime: 0, renewable: false }
  const request = createAsRequest(key, question)
  return { bytes: request.bytes, open: answer => openAsReply(key, request, answer) }
}

export function askTgs({ tgt, tgtKey }: Pick<Actor, 'tgt' | 'tgtKey'>, count: number): Asked {
  const services = servicesOf(count)
  const [time, nonce] = [Date.now(), systemRandom(SIZE.NONCE)]
  const question = { caveats: [], time, nonce, services, lifetime: 0, renew: false }
  const request = createTgsRequest(tgtKey, tgt, question)
  return { bytes: request.bytes, open: answer => openTgsReply(tgtKey, request, answer) }
}

/** The client with the TGT from a reply. @throws Error if the reply has none */
export function actorFrom(client: Principal, key: LongTermKey, { grants }: Reply): Actor {
  const [grant] = grants
  if (grant === undefined) throw new Error('the KDC gave no TGT')
  return { client, key, tgt: decodeTicket(grant.ticket), tgtKey: deriveAuthKey(grant.key, []) }
}

function servicesOf(count: number): Principal[] {
  return Array.from({ length: count }, (_, instance) => serviceName(instance))
}
