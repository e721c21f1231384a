import type { OpenSocket, SocketEvents } from '../../client/kdc-link/socket.js'
import { concatBytes } from '../../shared/bytes.js'
import { decodeCall, encodeAnswer, type KdcAnswer, type KdcCall } from '../../shared/channel/calls.js'
import { type RecordChannel, startChannel } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createAuthenticatedError, createError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import type { WireCode } from '../../shared/errors.js'
import { createApAccept, decodeApRequest } from '../../shared/exchange/ap.js'
import { createAsReply, decodeAsRequest, verifyAsRequest } from '../../shared/exchange/as.js'
import {
  createParamsReply,
  decodeParamsRequest,
  type PasswordParameters,
} from '../../shared/exchange/params.js'
import type { Denial, Reply } from '../../shared/exchange/reply.js'
import { createTgsReply, decodeTgsRequest, verifyTgsRequest } from '../../shared/exchange/tgs.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'
import type { Claims } from '../../shared/ticket/claims.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { openTicket, sealTicket } from '../../shared/ticket/ticket.js'
import { HOUR } from '../../shared/time.js'
import type { TestClock } from '../support/clock.js'
import { ticketContent } from '../support/ticket-content.js'

export const WEB = parsePrincipal('web@demo.example')
export const ORDERS = parsePrincipal('orders@demo.example')
export const BILLING = parsePrincipal('billing@demo.example')
export const KRBTGT = parsePrincipal('krbtgt@demo.example')
export const KDC = parsePrincipal('kdc@demo.example')

/** The subject of a question, for the log and for tests that look at what was asked. */
export interface Asked {
  readonly exchange: 'AS' | 'TGS' | 'PARAMS' | 'OPEN'
  readonly services: readonly Principal[]
  readonly bytes: Uint8Array
  readonly time: number
  readonly lifetime: number
}

type Interceptor = (asked: Asked, honest: () => Uint8Array) => Uint8Array | undefined

/** A KDC made only of shared/, which a test can make lie. Every principal exists, every service is granted. */
export class FakeKdc {
  readonly time: TestClock
  readonly asked: Asked[] = []
  readonly keys = new Map<Principal, LongTermKey>()
  readonly parameters: PasswordParameters = { log2N: 17, r: 8, p: 1, salt: systemRandom(16) }
  readonly denied = new Map<Principal, WireCode>()
  /** Of each ticket. */
  flags = 0
  claims: Claims = []
  /** How far its clock is from the test's, milliseconds. */
  ahead = 0
  lives = { tgt: 10 * HOUR, service: HOUR }
  /** URLs at which it can be reached; others refuse the connection. */
  urls = new Set(['ws://127.0.0.1:8750'])
  /** Replaces an answer; `undefined` answers nothing. */
  intercept: Interceptor = (_, honest) => honest()
  /** Answers the calls of a channel. */
  call: (call: KdcCall) => KdcAnswer = ({ n, args }) => ({ n, results: args })
  /** Whether it answers pings. A frozen one does not. */
  pongs = true
  readonly sockets = new Set<FakeSocket>()
  /** URLs that were tried, in order. */
  readonly tried: string[] = []

  constructor(time: TestClock) {
    this.time = time
  }

  keyOf(principal: Principal): LongTermKey {
    const known = this.keys.get(principal) ?? new LongTermKey(systemRandom(32))
    this.keys.set(principal, known)
    return known
  }

  /** The exchanges so far, as `AS orders billing`. */
  get log(): string[] {
    return this.asked.map(({ exchange, services }) => [exchange, ...services.map(shortName)].join(' '))
  }

  now(): number {
    return this.time.now() + this.ahead
  }

  openSocket: OpenSocket = ({ url }, events) => {
    this.tried.push(url)
    const socket = new FakeSocket(this, events)
    queueMicrotask(() => (this.urls.has(url) ? socket.open() : socket.fail('connect ECONNREFUSED')))
    return socket
  }

  /** It is gone, and refuses connections, until `up`. */
  down(): void {
    this.urls.clear()
    for (const socket of [...this.sockets]) socket.fail('the connection was closed, code 1006')
  }

  up(url = 'ws://127.0.0.1:8750'): void {
    this.urls.add(url)
  }

  /** A frame of any form, to everyone. */
  sendRaw(frame: Uint8Array): void {
    for (const socket of [...this.sockets]) socket.raw(frame)
  }

  /** The answer to one message, or nothing. */
  answer(bytes: Uint8Array): Uint8Array | undefined {
    const asked = this.#read(bytes)
    this.asked.push(asked)
    return this.intercept(asked, () => this.#honest(asked))
  }

  #read(bytes: Uint8Array): Asked {
    switch (messageType(bytes)) {
      case TYPE.AS_REQ:
        return { exchange: 'AS', ...decodeAsRequest(bytes) }
      case TYPE.TGS_REQ:
        return { exchange: 'TGS', ...decodeTgsRequest(bytes) }
      case TYPE.PARAMS_REQ:
        return { exchange: 'PARAMS', services: [], bytes, time: 0, lifetime: 0 }
      default:
        throw new Error(`a message of type ${messageType(bytes)}`)
    }
  }

  #honest({ exchange, bytes }: Asked): Uint8Array {
    if (exchange === 'AS') return this.#as(bytes)
    if (exchange === 'TGS') return this.#tgs(bytes)
    decodeParamsRequest(bytes)
    return createParamsReply(this.parameters)
  }

  #as(bytes: Uint8Array): Uint8Array {
    const request = decodeAsRequest(bytes)
    const key = this.keyOf(request.client)
    let verified: ReturnType<typeof verifyAsRequest>
    try {
      verified = verifyAsRequest(request, key)
    } catch {
      return this.error('auth_failed')
    }
    const skewed = Math.abs(request.time - this.now()) > 120_000
    if (skewed) return this.provedError('clock_skew', key, request.mac)
    const tgt = this.grant(request.client, KRBTGT, this.lives.tgt)
    const reply = this.#reply(request.client, request.services, request.lifetime)
    return createAsReply(key, verified, { ...reply, grants: [tgt, ...reply.grants] }, systemRandom)
  }

  #tgs(bytes: Uint8Array): Uint8Array {
    const request = decodeTgsRequest(bytes)
    const tgt = openTicket(request.tgt, this.keyOf(KRBTGT))
    const key = deriveAuthKey(tgt.key, request.caveats)
    const verified = verifyTgsRequest(request, key)
    if (tgt.endTime <= this.now()) return this.provedError('ticket_expired', key, request.mac)
    if (Math.abs(request.time - this.now()) > 120_000) return this.provedError('clock_skew', key, request.mac)
    const reply = this.#reply(tgt.client, request.services, request.lifetime)
    return createTgsReply(key, verified, reply, systemRandom)
  }

  #reply(client: Principal, services: readonly Principal[], lifetime: number): Reply {
    const life = lifetime === 0 ? this.lives.service : Math.min(lifetime, this.lives.service)
    const grants = services.filter(name => !this.denied.has(name)).map(name => this.grant(client, name, life))
    const denials: Denial[] = []
    for (const service of services) {
      const code = this.denied.get(service)
      if (code !== undefined) denials.push({ service, code })
    }
    return { time: this.now(), grants, denials }
  }

  grant(client: Principal, service: Principal, life: number): Grant {
    const now = this.now()
    const content = ticketContent(now, now + life, { client, claims: this.claims, flags: this.flags })
    const ticket = sealTicket(service, 1, this.keyOf(service), content, systemRandom)
    return { ...content, ticket: ticket.bytes, service }
  }

  /** Type 05. */
  error(code: WireCode): Uint8Array {
    return createError({ code, time: this.now(), floor: null, message: '' })
  }

  provedError(
    code: WireCode,
    key: Parameters<typeof createAuthenticatedError>[0],
    mac: Uint8Array,
  ): Uint8Array {
    return createAuthenticatedError(key, mac, { code, time: this.now(), floor: null, message: '' })
  }

  /** Opens a channel, in whichever way a test wants. */
  accept: (bytes: Uint8Array) => { reply: Uint8Array; records?: RecordChannel } = bytes => {
    const request = decodeApRequest(TYPE.AP_OPEN, bytes)
    const key = deriveAuthKey(openTicket(request.ticket, this.keyOf(KDC)).key, request.caveats)
    const reply = createApAccept(key, request.mac, { time: this.now(), nonce: systemRandom(16) })
    return { reply, records: startChannel('service', key, bytes, reply, 1024 * 1024) }
  }
}

/** One connection in memory. What arrives does so in its own turn. */
export class FakeSocket {
  readonly #kdc: FakeKdc
  readonly #events: SocketEvents
  readonly channels = new Map<number, { records: RecordChannel; said: string[] }>()
  #state: 'new' | 'open' | 'closed' = 'new'

  constructor(kdc: FakeKdc, events: SocketEvents) {
    this.#kdc = kdc
    this.#events = events
  }

  open(): void {
    if (this.#state !== 'new') return
    this.#state = 'open'
    this.#kdc.sockets.add(this)
    this.#events.opened()
  }

  fail(reason: string): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#kdc.sockets.delete(this)
    this.#events.closed(reason)
  }

  close(): void {
    queueMicrotask(() => this.fail('the connection was closed, code 1005'))
  }

  ping(): void {
    queueMicrotask(() => {
      if (this.#state === 'open' && this.#kdc.pongs) this.#events.ponged()
    })
  }

  send(frame: Uint8Array): void {
    if (this.#state !== 'open') return
    const id = new DataView(frame.buffer, frame.byteOffset).getUint32(0)
    const message = frame.slice(4)
    queueMicrotask(() => this.#receive(id, message))
  }

  reply(id: number, message: Uint8Array): void {
    const head = new Uint8Array(4)
    new DataView(head.buffer).setUint32(0, id)
    if (this.#state === 'open') this.#events.received(concatBytes(head, message))
  }

  raw(frame: Uint8Array): void {
    if (this.#state === 'open') this.#events.received(frame)
  }

  #receive(id: number, message: Uint8Array): void {
    const type = messageType(message)
    if (type === TYPE.RECORD) this.#record(id, message)
    else if (type === TYPE.AP_OPEN) this.#accept(id, message)
    else {
      const answer = this.#kdc.answer(message)
      if (answer !== undefined) this.reply(id, answer)
    }
  }

  #accept(id: number, message: Uint8Array): void {
    const asked = { exchange: 'OPEN', services: [], bytes: message, time: 0, lifetime: 0 } as const
    this.#kdc.asked.push(asked)
    const { reply, records } = this.#kdc.accept(message)
    if (records !== undefined) this.channels.set(id, { records, said: [] })
    this.reply(id, reply)
  }

  #record(id: number, message: Uint8Array): void {
    const channel = this.channels.get(id)
    if (channel === undefined) return
    const event = channel.records.open(message)
    channel.said.push(event?.kind ?? 'part')
    if (event?.kind !== 'message') return
    const answer = encodeAnswer(this.#kdc.call(decodeCall(event.message)))
    for (const record of channel.records.sealMessage(answer)) this.reply(id, record)
  }
}

export function shortName(principal: Principal): string {
  return principal.slice(0, principal.indexOf('@'))
}
