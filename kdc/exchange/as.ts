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
import { decodeCaveat } from '../../shared/ticket/caveats.js'
import { lookUpRecords } from '../issue/look-up.js'
import { ReplySpace } from '../issue/reply-space.js'
import { grantServices, type RequestedService } from '../issue/service-tickets.js'
import { grantTgt } from '../issue/tgt.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import { decideFromCurrent } from '../realm/decide.js'
import { tgtCaveats } from '../realm/invitation.js'
import { loginKey, requireEnabled } from '../realm/login.js'
import { currentKey } from '../realm/principal-keys.js'
import type { Origin } from '../report/events.js'
import type { PrincipalRecord, StoredKey } from '../vault/records.js'
import { answerProved } from './answer.js'
import { requireFresh } from './client-state.js'
import { promoteKey } from './promote.js'
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
  const { verified, client, key } = await authenticate(context, request, incoming)
  const from = { exchange: 'AS', client: client.name, address } as const
  const { seen, origin, context: telling } = handlingOf(context, client.name, verified, now, from)
  const answer = await answerProved({ key: key.key, mac: verified.mac, now, origin }, telling, async () => {
    requireFresh(verified.time, now, context.realm.time)
    if (seen === 'new') rates.requireClientLogin(client.name)
    else rates.requireRepeat(address)
    requireEnabled(client, now)
    if (seen === 'new') {
      proved?.(client.name)
      if (key.fromPassword) rates.knowPasswordLogin(address, client.name)
    }
    if (key.state === 'next') await promoteKey(context, client.name, key.kvno, address)
    return decideFromCurrent(
      context.realm.directory,
      view => lookUpRecords(telling, view, client.name, verified.services),
      found => {
        if (found.client === undefined || currentKey(found.client)?.kvno !== key.kvno) return undefined
        requireEnabled(found.client, now)
        const { granting, services } = found
        const checked = {
          granting,
          services,
          client: found.client,
          verified,
          key,
          origin,
          now,
          isNew: seen === 'new',
        }
        return createAsReply(key.key, verified, replyTo(telling, checked), random)
      },
    )
  })
  if (answer !== undefined) return answer
  // As it would have been answered a moment later.
  throw authFailed(request, address, 'the key was replaced while the request was answered')
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
async function authenticate(
  context: AsContext,
  request: AsRequest,
  { address, now }: Pick<Incoming, 'address' | 'now'>,
): Promise<Authenticated> {
  const { directory } = context.realm
  const found = directory.principal(request.client)
  const held = !(found instanceof Promise)
  const client = held ? found : await found
  const key = client && loginKey(client, request.kvno, now)
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

function faultOf(client: PrincipalRecord | undefined, key: StoredKey | undefined): string {
  if (client === undefined) return 'there is no such principal'
  return key === undefined
    ? 'the kvno is neither the current nor the next one'
    : 'the MAC does not match the key'
}

interface Checked extends Authenticated {
  readonly granting: PrincipalRecord
  readonly services: readonly RequestedService[]
  readonly origin: Origin
  readonly now: number
  readonly isNew: boolean
}

function replyTo(context: ExchangeContext, checked: Checked): Reply {
  const { verified, granting, client, services, key, origin, now, isNew } = checked
  const { lifetime, renewable } = verified
  const passwordBased = key.fromPassword
  const authTime = now
  const question = { granting, client, origin, now, lifetime, authTime, renewable, passwordBased }
  const tgt = grantTgt(context, question)
  const space = new ReplySpace(verified.services)
  space.take(tgt)
  const caveats = tgtCaveats(client).map(bytes => ({ bytes, caveat: decodeCaveat(bytes) }))
  const from = { ...origin, tgt: tgt.ticketId }
  const bearer = {
    client,
    origin: from,
    mac: verified.mac,
    now,
    lifetime,
    authTime,
    tgtEnd: tgt.endTime,
    passwordBased,
    isNew,
    caveats,
  }
  const { grants, denials } = grantServices(context, services, bearer, space)
  return { time: now, grants: [tgt, ...grants], denials }
}
