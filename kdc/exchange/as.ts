import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import {
  type AsRequest,
  createAsReply,
  decodeAsRequest,
  type VerifiedAsRequest,
  verifyAsRequest,
} from '../../shared/exchange/as.js'
import { isReserved } from '../../shared/principal.js'
import type { Reply } from '../../shared/ticket/grant.js'
import { ReplySpace } from '../issue/reply-space.js'
import { grantServices } from '../issue/service-tickets.js'
import { grantTgt } from '../issue/tgt.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import { answerProved } from './answer.js'
import { requireEnabled, requireFresh } from './client-state.js'

/** What an AS request is checked with where there is no key: the same work, and never right. */
export type DummyKey = LongTermKey & { readonly dummy: true }

export function createDummyKey(random: RandomSource): DummyKey {
  return new LongTermKey(random(SIZE.KEY)) as DummyKey
}

export interface AsContext extends ExchangeContext {
  readonly dummyKey: DummyKey
}

/**
 * The AS exchange (docs/protocol.md section 6).
 * @throws OrthrusError for what is answered by ERROR 05: `malformed` and its like, `rate_limited`, `auth_failed`
 */
export async function answerAs(context: AsContext, { bytes, address, now }: Incoming): Promise<Uint8Array> {
  const { rates, random } = context
  const request = decodeAsRequest(bytes)
  await rates.requireLogin(address)
  const { verified, client, key } = await authenticate(context, request, address)
  const origin = { exchange: 'AS', client: client.name, address } as const
  return answerProved({ key: key.key, mac: verified.mac, now, origin }, context.report, async () => {
    requireFresh(verified.time, now)
    await rates.requireClientLogin(client.name)
    requireEnabled(client, now)
    const reply = await replyTo(context, { verified, client, key, origin, now })
    return createAsReply(key.key, verified, reply, random)
  })
}

interface Authenticated {
  readonly verified: VerifiedAsRequest
  readonly client: PrincipalRecord
  readonly key: StoredKey
}

/** Unknown client, unknown kvno and wrong MAC take the same path and throw the same code. */
async function authenticate(context: AsContext, request: AsRequest, address: string): Promise<Authenticated> {
  const { directory } = context.realm
  const found = directory.principal(request.client)
  const held = !(found instanceof Promise)
  const client = held ? found : await found
  const key = client && currentKey(client, request.kvno)
  try {
    const verified = verifyAsRequest(request, key?.key ?? context.dummyKey)
    if (client !== undefined && key !== undefined) {
      await context.rates.forgiveLogin(address)
      return { verified, client, key }
    }
    throw new OrthrusError('auth_failed', 'the dummy key was guessed')
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    await directory.concealGuess(request.client, held)
    throw new OrthrusError('auth_failed', faultOf(client, key), {
      principal: request.client,
      kvno: request.kvno,
      actual: address,
    })
  }
}

/** Only the current key logs in; older ones open tickets. Nobody logs in as the KDC. */
function currentKey(client: PrincipalRecord, kvno: number): StoredKey | undefined {
  const [current] = client.keys
  if (current === undefined || isReserved(client.name)) return undefined
  if (kvno === 0) return current.fromPassword ? current : undefined
  return kvno === current.kvno ? current : undefined
}

function faultOf(client: PrincipalRecord | undefined, key: StoredKey | undefined): string {
  if (client === undefined) return 'there is no such principal'
  return key === undefined ? 'that kvno is not the current one' : 'the MAC is not by the key'
}

interface Checked extends Authenticated {
  readonly origin: Origin
  readonly now: number
}

async function replyTo(context: ExchangeContext, checked: Checked): Promise<Reply> {
  const { verified, client, key, origin, now } = checked
  const { lifetime, renewable, services } = verified
  // A cut-off revokes what was issued at its very time.
  const authTime = Math.max(now, client.cutOff + 1)
  const passwordBased = key.fromPassword
  const tgt = await grantTgt(context, { client, origin, now, lifetime, authTime, renewable, passwordBased })
  const space = new ReplySpace(services)
  space.take(tgt)
  const tgtEnd = tgt.endTime
  const bearer = { client, origin, now, lifetime, authTime, tgtEnd, passwordBased, caveats: [] }
  const { grants, denials } = await grantServices(context, services, bearer, space)
  return { time: now, grants: [tgt, ...grants], denials }
}
