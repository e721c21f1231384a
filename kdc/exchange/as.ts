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
import type { Reply } from '../../shared/exchange/reply.js'
import { isReserved } from '../../shared/principal.js'
import { ReplySpace } from '../issue/reply-space.js'
import { grantServices } from '../issue/service-tickets.js'
import { grantTgt } from '../issue/tgt.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import { answerProved } from './answer.js'
import { requireEnabled, requireFresh } from './client-state.js'
import { handlingOf } from './repeats.js'

/** Verifies AS requests for which there is no key: it costs the same work and never succeeds. */
export type DummyKey = LongTermKey & { readonly dummy: true }

export function createDummyKey(random: RandomSource): DummyKey {
  return new LongTermKey(random(SIZE.KEY)) as DummyKey
}

export interface AsContext extends ExchangeContext {
  readonly dummyKey: DummyKey
}

/**
 * The AS exchange (docs/protocol.md section 6).
 * @throws OrthrusError for what is answered with ERROR 05: `malformed` and other decoding errors, `rate_limited`,
 * `auth_failed`
 */
export async function answerAs(context: AsContext, incoming: Incoming): Promise<Uint8Array> {
  const { bytes, address, now, proved } = incoming
  const { rates, random } = context
  const request = decodeAsRequest(bytes)
  const turn = rates.turnOf(address)
  if (turn !== undefined) await turn
  const { verified, client, key } = await authenticate(context, request, address)
  const from = { exchange: 'AS', client: client.name, address } as const
  const { seen, origin, context: telling } = handlingOf(context, client.name, verified, now, from)
  return answerProved({ key: key.key, mac: verified.mac, now, origin }, telling.report, async () => {
    requireFresh(verified.time, now, context.realm.time)
    if (seen === 'new') rates.requireClientLogin(client.name)
    else rates.requireRepeat(address)
    requireEnabled(client, now)
    if (seen === 'new') {
      proved?.(client.name)
      if (key.fromPassword) rates.knowPasswordLogin(address, client.name)
    }
    const reply = await replyTo(telling, { verified, client, key, origin, now })
    return createAsReply(key.key, verified, reply, random)
  })
}

interface Authenticated {
  readonly verified: VerifiedAsRequest
  readonly client: PrincipalRecord
  readonly key: StoredKey
}

/**
 * Unknown client, unknown kvno and wrong MAC take the same path and throw the same code. The MAC is verified before
 * anything is counted: a wrong MAC costs only that, and failed logins of others do not stop the holder of a random key.
 */
async function authenticate(context: AsContext, request: AsRequest, address: string): Promise<Authenticated> {
  const { directory } = context.realm
  const found = directory.principal(request.client)
  const held = !(found instanceof Promise)
  const client = held ? found : await found
  const key = client && currentKey(client, request.kvno)
  try {
    const verified = verifyAsRequest(request, key?.key ?? context.dummyKey)
    if (client === undefined || key === undefined)
      throw authFailed(request, address, 'the MAC matches the dummy key')
    if (key.fromPassword) context.rates.requirePasswordLogin(address, client.name)
    return { verified, client, key }
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    await directory.concealGuess(request.client, held)
    const limited = context.rates.countFailedLogin(address, request.client)
    // A right password that is refused takes the same path as a wrong one and is told the same time to wait. Only the
    // log distinguishes them.
    if (cause.code === 'rate_limited') throw refusedPassword(limited ?? cause)
    throw limited ?? authFailed(request, address, faultOf(client, key))
  }
}

function authFailed({ client, kvno }: AsRequest, address: string, reason: string): OrthrusError {
  return new OrthrusError('auth_failed', reason, { principal: client, kvno, actual: address })
}

function refusedPassword({ code, reason, facts }: OrthrusError): OrthrusError {
  return new OrthrusError(code, `the password is right, but may have been guessed: ${reason}`, facts)
}

/** Only the current key can log in; older keys only open tickets. Nobody can log in as the KDC. */
function currentKey(client: PrincipalRecord, kvno: number): StoredKey | undefined {
  const [current] = client.keys
  if (current === undefined || isReserved(client.name)) return undefined
  if (kvno === 0) return current.fromPassword ? current : undefined
  return kvno === current.kvno ? current : undefined
}

function faultOf(client: PrincipalRecord | undefined, key: StoredKey | undefined): string {
  if (client === undefined) return 'there is no such principal'
  return key === undefined ? 'the kvno is not the current one' : 'the MAC does not match the key'
}

interface Checked extends Authenticated {
  readonly origin: Origin
  readonly now: number
}

async function replyTo(context: ExchangeContext, checked: Checked): Promise<Reply> {
  const { verified, client, key, origin, now } = checked
  const { lifetime, renewable, services } = verified
  // A cut-off also revokes tickets whose authTime equals it.
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
