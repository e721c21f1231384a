import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import type { Caller } from '../../kdc/admin/role.js'
import { createDispatch, type Dispatch } from '../../kdc/exchange/dispatch.js'
import { NO_RATE_LIMITS, type RateLimits } from '../../kdc/limits/rate-limits.js'
import type { ExchangeContext } from '../../kdc/realm/context.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { reportFollowers } from '../../kdc/realm/feed-report.js'
import { type OpenRealm, openRealm } from '../../kdc/realm/realm.js'
import { logListener } from '../../kdc/report/log.js'
import { createReport } from '../../kdc/report/report.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import type { Store } from '../../kdc/store/store.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import type { MasterKeyPlace } from '../../kdc/vault/master-key-place.js'
import type { PrincipalRecord } from '../../kdc/vault/records.js'
import { Vault } from '../../kdc/vault/vault.js'
import type { AdministrationMethod } from '../../shared/administration/methods.js'
import {
  decodeAddedPrincipal,
  encodeNewPrincipal,
  type NewPrincipal,
  NO_LIMITS,
} from '../../shared/administration/principals.js'
import type { RealmLifetimes } from '../../shared/administration/realm.js'
import { NO_TERMS, type PolicyRule } from '../../shared/administration/rule.js'
import { encodePolicyRule } from '../../shared/administration/rules.js'
import { toHex } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import { type AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import { type RandomSource, systemRandom } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { openError, type WireError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { type AsQuestion, createAsRequest, openAsReply } from '../../shared/exchange/as.js'
import type { Reply } from '../../shared/exchange/reply.js'
import { createTgsRequest, openTgsReply, type TgsQuestion } from '../../shared/exchange/tgs.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Pattern } from '../../shared/pattern.js'
import { type Principal, parsePrincipal, parseRealm, principalIn } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket, type OpenedTicket, openTicket } from '../../shared/ticket/ticket.js'
import { START, TestClock } from './clock.js'
import { TestLogger } from './logger.js'
import { amendRecord, readRecord } from './records.js'

export { START, TestClock } from './clock.js'

/** A realm in memory, on a clock that the test moves, timers included, with everything a client would do for itself. */

export const REALM = parseRealm('demo.example')
export const ADDRESS = '192.0.2.1'

export interface TestRealm {
  readonly clock: TestClock
  readonly logger: TestLogger
  readonly store: Store
  readonly vault: Vault
  readonly masterKey: MasterKey
  readonly realm: OpenRealm
  readonly context: ExchangeContext
  readonly dispatch: Dispatch
  readonly admin: Identity
  /** A method of administration, without a channel. */
  call(method: AdministrationMethod, args: readonly Value[]): Promise<readonly Value[]>
  add(name: string, options?: Partial<NewPrincipal>): Promise<Identity>
  allow(client: string, service: string, options?: Partial<PolicyRule>): Promise<void>
  deny(client: string, service: string): Promise<void>
  /** The record as the store has it. */
  record(name: string): Promise<PrincipalRecord>
  /** Edits a record behind the KDC's back. */
  amend(name: string, amend: (record: PrincipalRecord) => PrincipalRecord): Promise<void>
}

/** A principal with its key. */
export interface Identity {
  readonly principal: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

export interface TestRealmOptions extends Partial<RealmLifetimes> {
  readonly random?: RandomSource
  readonly rates?: RateLimits
  readonly store?: Store
  readonly place?: MasterKeyPlace
}

/** A place that keeps the next master key nowhere else. */
export function placeInMemory(): MasterKeyPlace {
  return { begin: async random => new MasterKey(random(32)), finish: async () => 'memory' }
}

export async function testRealm(options: TestRealmOptions = {}): Promise<TestRealm> {
  const {
    random = systemRandom,
    rates = NO_RATE_LIMITS,
    store = createMemoryStore(),
    place,
    ...lives
  } = options
  const clock = new TestClock()
  const logger = new TestLogger()
  const masterKey = new MasterKey(systemRandom(32))
  const vault = new Vault(store, masterKey, systemRandom, { place: place ?? placeInMemory() })
  const admin: KeytabEntry = await createRealm({ vault, realm: REALM, clock, random, ...lives })
  const realm = await openRealm({ vault, clock, timers: clock, random })
  const report = createReport([logListener(logger, () => clock.monotonic()), realm.refusals.listen])
  reportFollowers(realm.feed, report)
  const context = { realm, rates, timers: clock, random, report }
  const call = (method: AdministrationMethod, args: readonly Value[]) =>
    callMethod(ownContext(realm, report), method, args)
  return {
    clock,
    logger,
    store,
    vault,
    masterKey,
    realm,
    context,
    dispatch: createDispatch(context),
    admin,
    call,
    add: async (name, added = {}) => {
      const principal = local(name)
      const whole = { principal, password: null, ...NO_LIMITS, ...added }
      const { kvno, key } = decodeAddedPrincipal(await call('add', encodeNewPrincipal(whole)))
      const known = key ?? whole.password?.key
      if (known === undefined) throw new Error('no key')
      return { principal, kvno, key: known }
    },
    allow: async (client, service, rule) => {
      await call('allow', encodePolicyRule({ ...ruleOf(client, service), ...rule }))
    },
    deny: async (client, service) => {
      await call('deny', encodePolicyRule({ ...ruleOf(client, service), effect: 'deny' }))
    },
    record: name => readRecord(vault, local(name)),
    amend: (name, amend) => amendRecord(vault, local(name), amend),
  }
}

export function local(name: string): Principal {
  return principalIn(REALM, name)
}

export function pattern(name: string): Pattern {
  return (name === '*' || name.includes('@') ? name : `${name}@${REALM}`) as Pattern
}

export function ruleOf(client: string, service: string, rule: Partial<PolicyRule> = {}): PolicyRule {
  return {
    client: pattern(client),
    service: pattern(service),
    effect: 'allow',
    ...NO_TERMS,
    ...rule,
  }
}

/** What the KDC said: a reply, or an error of either type. */
export type Answer =
  | { readonly reply: Reply; readonly error?: undefined; readonly bytes: Uint8Array }
  | { readonly reply?: undefined; readonly error: WireError; readonly bytes: Uint8Array }

/** An AS request of the client, by default a right one. */
export async function login(
  { dispatch, clock }: TestRealm,
  client: Identity,
  question: Partial<AsQuestion> = {},
  address = ADDRESS,
): Promise<Answer> {
  const request = createAsRequest(client.key, {
    client: client.principal,
    kvno: client.kvno,
    time: clock.now(),
    nonce: systemRandom(16),
    services: [],
    lifetime: 0,
    renewable: false,
    ...question,
  })
  const bytes = await dispatch(request.bytes, address)
  if (messageType(bytes) !== TYPE.AS_REP) return { error: openError(bytes, client.key, request.mac), bytes }
  return { reply: openAsReply(client.key, request, bytes), bytes }
}

export interface TgsAsking extends Partial<TgsQuestion> {
  /** Used in place of the key that the caveats make. */
  readonly key?: AuthKey
  /** Used in place of the TGT in the grant. */
  readonly ticket?: Uint8Array
}

/** A TGS request under the TGT, by default a right one. */
export async function ask(
  { dispatch, clock }: TestRealm,
  tgt: Grant,
  { key, ticket, ...question }: TgsAsking = {},
): Promise<Answer> {
  const { caveats = [] } = question
  const under = key ?? deriveAuthKey(tgt.key, caveats)
  const request = createTgsRequest(under, decodeTicket(ticket ?? tgt.ticket), {
    caveats,
    time: clock.now(),
    nonce: systemRandom(16),
    services: [],
    lifetime: 0,
    renew: false,
    ...question,
  })
  const bytes = await dispatch(request.bytes, ADDRESS)
  if (messageType(bytes) !== TYPE.TGS_REP) return { error: openError(bytes, under, request.mac), bytes }
  return { reply: openTgsReply(under, request, bytes), bytes }
}

/** The grants of an answer that must be a reply. */
export function grantsOf(answer: Answer): readonly Grant[] {
  if (answer.reply === undefined) throw new Error(`refused: ${answer.error.code}`)
  return answer.reply.grants
}

export function grantOf(answer: Answer, index = 0): Grant {
  const grant = grantsOf(answer)[index]
  if (grant === undefined) throw new Error(`denied: ${JSON.stringify(answer.reply?.denials)}`)
  return grant
}

/** `05 auth_failed` and the like; `reply` for a reply. */
export function outcome({ error }: Answer): string {
  if (error === undefined) return 'reply'
  return `${error.authenticated ? '06' : '05'} ${error.code}`
}

/** The denials of a reply as `service code`. */
export function denialsOf({ reply }: Answer): string[] {
  return (reply?.denials ?? []).map(({ service, code }) => `${service.split('@')[0]} ${code}`)
}

/** What is in a ticket, as its service sees it. */
export function openedBy(service: Identity, grant: Grant): OpenedTicket {
  return openTicket(decodeTicket(grant.ticket), service.key)
}

/** The KDC's own ticket-granting key. */
export async function krbtgt(realm: TestRealm): Promise<Identity> {
  const { name, keys } = await realm.record('krbtgt')
  const [current] = keys
  if (current === undefined) throw new Error('no key')
  return { principal: name, kvno: current.kvno, key: current.key }
}

/** A caller that has a ticket with the role. */
export function administrator(client: Principal): Caller {
  return { ...callerOf(client), claims: [['role', 'admin']] }
}

/** A caller with a ticket of its own, without claims and caveats, from a login at this time. */
export function callerOf(client: Principal, authTime: number = START): Caller {
  const ticket = { authTime }
  return { client, via: undefined, claims: [], claimsWithheld: false, caveats: [], ticket }
}

export function stranger(name: string): Identity {
  return { principal: parsePrincipal(name), kvno: 1, key: new LongTermKey(systemRandom(32)) }
}

export function idOf(grant: Grant): string {
  return toHex(grant.ticketId)
}
