import { onTestFinished } from 'vitest'
import { TYPE } from '../../shared/constants.js'
import { combineAuthKeys, deriveAuthKey } from '../../shared/crypto/derive.js'
import type { AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { openError, type WireError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { type ApType, createApRequest } from '../../shared/exchange/ap.js'
import { type AsQuestion, type AsRequest, createAsRequest, openAsReply } from '../../shared/exchange/as.js'
import type { Reply } from '../../shared/exchange/reply.js'
import {
  createTgsRequest,
  openTgsReply,
  type TgsQuestion,
  type TgsRequest,
} from '../../shared/exchange/tgs.js'
import { requestBinding } from '../../shared/http/binding.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import { type Principal, principalIn } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket, type SealedTicket } from '../../shared/ticket/ticket.js'
import type { TestClock, TestRealm } from '../../testing/index.js'
import { TestSocket } from '../kdc/socket.js'
import type { Captured } from '../support/http-proxy.js'

/** A client whose every message is made by hand, right or wrong, with a real key and over a real socket. */

/** What the KDC said: a reply, or an error of either type. */
export type Answer =
  | { readonly reply: Reply; readonly error?: undefined; readonly bytes: Uint8Array }
  | { readonly reply?: undefined; readonly error: WireError; readonly bytes: Uint8Array }

export interface TgsAsking extends Partial<TgsQuestion> {
  /** In place of the key that the caveats make. */
  readonly key?: AuthKey
  /** In place of the TGT in the grant. */
  readonly ticket?: SealedTicket
}

export function entryOf(realm: TestRealm, name: string): KeytabEntry {
  const [entry] = parseKeytab(realm.keytab(name))
  if (entry === undefined) throw new Error('an empty keytab')
  return entry
}

export class HandClient {
  readonly socket: TestSocket
  readonly principal: Principal
  readonly key: LongTermKey
  readonly kvno: number
  readonly clock: TestClock
  #lastId = 0

  constructor(socket: TestSocket, { principal, key, kvno }: KeytabEntry, clock: TestClock) {
    this.socket = socket
    this.principal = principal
    this.key = key
    this.kvno = kvno
    this.clock = clock
  }

  static open(realm: TestRealm, name: string): Promise<HandClient> {
    return HandClient.connect(realm.kdc.url, entryOf(realm, name), realm.clock)
  }

  /** @param options of `ws`, as the address to come from. */
  static async connect(
    url: string,
    entry: KeytabEntry,
    clock: TestClock,
    options: object = {},
  ): Promise<HandClient> {
    const socket = await TestSocket.open(url, options)
    onTestFinished(() => socket.close())
    return new HandClient(socket, entry, clock)
  }

  /** Sends any bytes. */
  ask(message: Uint8Array): Promise<Uint8Array> {
    return this.socket.ask(++this.#lastId, message)
  }

  asRequest(question: Partial<AsQuestion> = {}): AsRequest {
    return createAsRequest(this.key, {
      client: this.principal,
      kvno: this.kvno,
      time: this.clock.now(),
      nonce: systemRandom(16),
      services: [],
      lifetime: 0,
      renewable: false,
      ...question,
    })
  }

  tgsRequest(
    tgt: Grant,
    { key, ticket, ...question }: TgsAsking = {},
  ): { request: TgsRequest; key: AuthKey } {
    const { caveats = [] } = question
    const under = key ?? deriveAuthKey(tgt.key, caveats)
    const request = createTgsRequest(under, ticket ?? decodeTicket(tgt.ticket), {
      caveats,
      time: this.clock.now(),
      nonce: systemRandom(16),
      services: [],
      lifetime: 0,
      renew: false,
      ...question,
    })
    return { request, key: under }
  }

  async login(question: Partial<AsQuestion> = {}): Promise<Answer> {
    const request = this.asRequest(question)
    const bytes = await this.ask(request.bytes)
    if (messageType(bytes) !== TYPE.AS_REP) return { error: openError(bytes, this.key, request.mac), bytes }
    return { reply: openAsReply(this.key, request, bytes), bytes }
  }

  async tgs(tgt: Grant, asking: TgsAsking = {}): Promise<Answer> {
    const { request, key } = this.tgsRequest(tgt, asking)
    const bytes = await this.ask(request.bytes)
    if (messageType(bytes) !== TYPE.TGS_REP) return { error: openError(bytes, key, request.mac), bytes }
    return { reply: openTgsReply(key, request, bytes), bytes }
  }

  /** The TGT, and tickets for these services. */
  async grants(...services: string[]): Promise<readonly [tgt: Grant, ...tickets: Grant[]]> {
    const realm = this.principal.slice(this.principal.indexOf('@') + 1)
    const asked = services.map(name => principalIn(realm as Parameters<typeof principalIn>[0], name))
    return grantsOf(await this.login({ services: asked, renewable: true }), services.length + 1)
  }

  async ticket(service: string): Promise<Grant> {
    const [, ticket] = await this.grants(service)
    if (ticket === undefined) throw new Error('no ticket')
    return ticket
  }
}

/** The grants of an answer that must be a reply with this many. */
export function grantsOf(answer: Answer, count = 1): readonly [Grant, ...Grant[]] {
  const [first, ...others] = answer.reply?.grants ?? []
  if (first === undefined || others.length !== count - 1) {
    throw new Error(`refused: ${outcome(answer)} ${JSON.stringify(answer.reply?.denials)}`)
  }
  return [first, ...others]
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

export interface Presentation {
  readonly method?: string
  readonly target?: string
  readonly headers?: Captured['headers']
  readonly body?: string
  readonly caveats?: readonly Uint8Array[]
  readonly time: number
  /** Drawn if none is given. */
  readonly nonce?: Uint8Array
  readonly type?: ApType
  /** In place of that of the grant. */
  readonly ticket?: SealedTicket
  /** In place of the key that the ticket makes. */
  readonly key?: AuthKey
  readonly delegated?: {
    readonly grant: Grant
    readonly caveats: readonly Uint8Array[]
    readonly client: Principal
    /** In place of the key that ticket and caveats make. */
    readonly key?: AuthKey
    readonly ticket?: SealedTicket
  }
}

/** A request for a service, with the key and MAC that its answers are checked with. */
export interface Presented extends Captured {
  readonly key: AuthKey
  readonly mac: Uint8Array
  readonly bytes: Uint8Array
}

export function present(grant: Grant, use: Presentation): Presented {
  const { method = 'GET', target = '/orders/7', headers = [], body = '', caveats = [], delegated } = use
  const own = use.key ?? deriveAuthKey(grant.key, caveats)
  const other = delegated && (delegated.key ?? deriveAuthKey(delegated.grant.key, delegated.caveats))
  const key = other === undefined ? own : combineAuthKeys(own, other)
  const { bytes, mac } = createApRequest(use.type ?? TYPE.AP_REQ, key, {
    ticket: use.ticket ?? decodeTicket(grant.ticket),
    caveats,
    time: use.time,
    nonce: use.nonce ?? systemRandom(16),
    binding: requestBinding(method, target, headers, Buffer.from(body)),
    delegated: delegated
      ? {
          ticket: delegated.ticket ?? decodeTicket(delegated.grant.ticket),
          caveats: delegated.caveats,
          client: delegated.client,
        }
      : null,
  })
  const authorization = ['authorization', formatMessageHeader(bytes)] as const
  return { method, target, headers: [...headers, authorization], body: Buffer.from(body), key, mac, bytes }
}
