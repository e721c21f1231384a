import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import type { ServiceFeed } from '../../service/feed/service-feed.js'
import {
  type LoadServiceOptions,
  type RefusedRequest,
  type RequireTicketOptions,
  requireTicket,
  type Service,
  type TicketHandler,
} from '../../service/index.js'
import { createService, partsOf } from '../../service/request/service.js'
import { toHex } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import { combineAuthKeys, deriveAuthKey } from '../../shared/crypto/derive.js'
import { type AuthKey, LongTermKey, type SessionKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { openError, type WireError } from '../../shared/encoding/error.js'
import type { WireCode } from '../../shared/errors.js'
import { type ApType, createApRequest, openApReply } from '../../shared/exchange/ap.js'
import { type HeaderPairs, requestBinding, responseBinding } from '../../shared/http/binding.js'
import { formatMessageHeader, parseMessageHeader } from '../../shared/http/headers.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'
import { type Caveat, encodeCaveat } from '../../shared/ticket/caveats.js'
import { type SealedTicket, sealTicket, type TicketContent } from '../../shared/ticket/ticket.js'
import { HOUR, MINUTE } from '../../shared/time.js'
import { challengeIn } from '../support/challenge.js'
import { TestClock } from '../support/clock.js'
import { loadService } from '../support/load-service.js'
import { TestLogger } from '../support/logger.js'
import { ticketContent } from '../support/ticket-content.js'
import { Connection, formatRequest, type RawRequest, type RawResponse } from './connection.js'

export const ORDERS = parsePrincipal('orders@demo.example')
export const BILLING = parsePrincipal('billing@demo.example')
export const WEB = parsePrincipal('web/1@demo.example')
export const GATE = parsePrincipal('gate@demo.example')

export const ordersKey = new LongTermKey(systemRandom(32))
export const oldOrdersKey = new LongTermKey(systemRandom(32))
export const billingKey = new LongTermKey(systemRandom(32))

export const keytab = {
  text: formatKeytab([
    { principal: ORDERS, kvno: 3, key: ordersKey },
    { principal: ORDERS, kvno: 2, key: oldOrdersKey },
    { principal: BILLING, kvno: 1, key: billingKey },
  ]),
}

/** A ticket as its client has it. */
export interface HeldTicket {
  readonly sealed: SealedTicket
  readonly key: SessionKey
  readonly client: Principal
  readonly ticketId: string
}

export interface TicketOptions extends Partial<Omit<TicketContent, 'caveats' | 'key'>> {
  readonly service?: Principal
  readonly kvno?: number
  readonly sealedWith?: LongTermKey
  readonly caveats?: readonly Caveat[]
}

/** How a request is presented; whatever is left out is right. */
export interface PresentOptions {
  readonly ticket?: HeldTicket
  readonly caveats?: readonly Caveat[]
  readonly time?: number
  readonly type?: ApType
  readonly delegated?: {
    readonly ticket: HeldTicket
    readonly caveats: readonly Caveat[]
    readonly client?: Principal
  }
  /** Under this key instead of the ticket's. */
  readonly key?: AuthKey
}

/** A request with its AP-REQ, and what its client keeps to check the answer. */
export interface SignedRequest extends RawRequest {
  readonly key: AuthKey
  readonly mac: Uint8Array
}

export class TestRealm {
  readonly clock: TestClock
  readonly log = new TestLogger()
  readonly refused: RefusedRequest[] = []
  service!: Service

  constructor(clock = new TestClock()) {
    this.clock = clock
  }

  ticket(options: TicketOptions = {}): HeldTicket {
    const { service = ORDERS, kvno = 3, sealedWith = ordersKey, caveats = [], ...content } = options
    const now = this.clock.now()
    const whole = ticketContent(now - MINUTE, now + HOUR, {
      client: WEB,
      claims: [['role', 'reader']],
      ...content,
      caveats: caveats.map(encodeCaveat),
    })
    const sealed = sealTicket(service, kvno, sealedWith, whole, systemRandom)
    return { sealed, key: whole.key, client: whole.client, ticketId: toHex(whole.ticketId) }
  }

  /** The request with its Authorization header, stamped now unless told otherwise. */
  sign(request: Partial<RawRequest> = {}, options: PresentOptions = {}): SignedRequest {
    const { method = 'GET', target = '/orders/7', headers = [], body } = request
    const { ticket = this.ticket(), caveats = [], time = this.clock.now(), delegated } = options
    const presented = caveats.map(encodeCaveat)
    const passedOn = delegated?.caveats.map(encodeCaveat) ?? []
    const own = deriveAuthKey(ticket.key, presented)
    const key =
      options.key ?? (delegated ? combineAuthKeys(own, deriveAuthKey(delegated.ticket.key, passedOn)) : own)
    const apRequest = createApRequest(options.type ?? TYPE.AP_REQ, key, {
      ticket: ticket.sealed,
      caveats: presented,
      time,
      nonce: systemRandom(16),
      binding: requestBinding(method, target, headers, body ?? new Uint8Array()),
      delegated: delegated
        ? {
            ticket: delegated.ticket.sealed,
            caveats: passedOn,
            client: delegated.client ?? delegated.ticket.client,
          }
        : null,
    })
    const authorization = ['authorization', formatMessageHeader(apRequest.bytes)] as const
    const signed = { method, target, headers: [...headers, authorization], key, mac: apRequest.mac }
    return body === undefined ? signed : { ...signed, body }
  }
}

export interface StartOptions extends Partial<RequireTicketOptions> {
  readonly load?: Partial<LoadServiceOptions>
  readonly testClock?: TestClock
  readonly handler?: TicketHandler
  /** What the service knows of revocations. */
  readonly feed?: ServiceFeed
  /** In place of `requireTicket` with a handler. */
  readonly listener?: (realm: RunningRealm) => RequestListener | Promise<RequestListener>
}

/** One service of the realm, listening. */
export class RunningRealm extends TestRealm {
  readonly handled: IncomingMessage[] = []
  server!: Server

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  connect(): Connection {
    const connection = new Connection(this.port)
    onTestFinished(() => connection.destroy())
    return connection
  }

  async send(request: RawRequest): Promise<RawResponse> {
    const connection = this.connect()
    const response = await connection.write(formatRequest(request), request.method).response()
    connection.destroy()
    return response
  }

  async get(options: PresentOptions = {}): Promise<RawResponse> {
    return await this.send(this.sign({}, options))
  }
}

/** Starts a service past its start's floor; the handler answers `hello`. */
export async function startRealm(options: StartOptions = {}): Promise<RunningRealm> {
  const { load, testClock, handler, listener, feed, ...required } = options
  const realm = new RunningRealm(testClock)
  const { clock, log: logger } = realm
  realm.service = await loadService({
    keytab,
    service: 'orders',
    clock,
    logger,
    timers: clock,
    ...load,
  })
  if (feed !== undefined) realm.service = createService({ ...partsOf(realm.service), revocation: feed })
  const onRefused = (refused: RefusedRequest): void => void realm.refused.push(refused)
  const guarded = requireTicket({ service: realm.service, onRefused, ...required }, (req, res, ticket) => {
    realm.handled.push(req)
    return handler === undefined ? res.end('hello') : handler(req, res, ticket)
  })
  realm.server = createServer((await listener?.(realm)) ?? guarded)
  await new Promise<void>(resolve => realm.server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    realm.server.closeAllConnections()
    realm.server.close()
  })
  clock.advance(7_000)
  return realm
}

export function headerOf({ headers }: Pick<RawResponse, 'headers'>, wanted: string): string | undefined {
  const found = headers.filter(([name]) => name.toLowerCase() === wanted)
  expect(found.length).toBeLessThan(2)
  return found[0]?.[1]
}

/** What the service says of its answer, and when. */
export function proofOf(response: RawResponse, request: Pick<SignedRequest, 'key' | 'mac'>) {
  const message = parseMessageHeader(headerOf(response, 'authentication-info'))
  expect(message, `no proof: ${response.status} ${response.body}`).toBeDefined()
  return openApReply(request.key, request.mac, message ?? new Uint8Array())
}

/** Checks that the response is this service's answer to this request, whole and unaltered. */
export function expectProved(response: RawResponse, request: Pick<SignedRequest, 'key' | 'mac'>): void {
  const { binding } = proofOf(response, request)
  const covered: HeaderPairs = response.headers
  expect(toHex(binding)).toBe(toHex(responseBinding(response.status, covered, response.body)))
}

/** Checks that the response refuses the request with the code, in an ERROR of the type. */
export function expectRefused(
  response: RawResponse,
  request: Pick<SignedRequest, 'key' | 'mac'>,
  code: WireCode,
  type: '05' | '06',
): WireError {
  const challenge = challengeIn(headerOf(response, 'www-authenticate'))
  expect(challenge?.code).toBe(code)
  expect(challenge?.realm).toBe('demo.example')
  expect(response.status).toBe(STATUS[code] ?? 401)
  expect(response.body.toString()).toBe(`${code}\n`)
  expect(headerOf(response, 'cache-control')).toBe('no-store')
  expect(headerOf(response, 'authentication-info')).toBeUndefined()
  const error = openError(challenge?.error ?? new Uint8Array(), request.key, request.mac)
  expect(error.code).toBe(code)
  expect(error.authenticated).toBe(type === '06')
  return error
}

const STATUS: Partial<Record<WireCode, number>> = {
  malformed: 400,
  caveat_failed: 403,
  delegation_invalid: 403,
  not_authorized: 403,
  too_large: 413,
  rate_limited: 429,
  unavailable: 503,
}
