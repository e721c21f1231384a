import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import type { ConnectOptions } from '../../client/connect-options.js'
import type { Realm } from '../../client/realm.js'
import {
  type AcceptedTicket,
  type LoadServiceOptions,
  type RefusedRequest,
  type RequireTicketOptions,
  requireTicket,
  type Service,
} from '../../service/index.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { openUnauthenticatedError } from '../../shared/encoding/error.js'
import type { WireCode } from '../../shared/errors.js'
import { parametersWith } from '../../shared/exchange/params.js'
import { principalIn } from '../../shared/principal.js'
import { startRealm, type TestClock, type TestRealm, type TestRealmOptions } from '../../testing/index.js'
import { challengeIn } from './challenge.js'
import { type Captured, deliver, HttpProxy, headerOf, type Relayed } from './http-proxy.js'
import { WebSocketProxy } from './websocket-proxy.js'

export { failureOf } from './failure.js'
export { passTime, turns, until } from './turns.js'

/** What reached a handler. */
export interface Handled {
  readonly method: string
  readonly target: string
  readonly body: string
  readonly ticket: AcceptedTicket
}

export type Answerer = (
  req: IncomingMessage,
  res: ServerResponse,
  ticket: AcceptedTicket,
  body: string,
) => void

export interface GuardedOptions extends Partial<RequireTicketOptions> {
  readonly load?: Partial<LoadServiceOptions>
  readonly answer?: Answerer
  /** Of the server: how many headers of a request Node keeps. */
  readonly maxHeadersCount?: number
}

/** A real service: `node:http` behind `requireTicket`. */
export class Guarded {
  readonly service: Service
  readonly handled: Handled[] = []
  readonly refused: RefusedRequest[] = []
  readonly #port: number

  private constructor(service: Service, port: number) {
    this.service = service
    this.#port = port
  }

  static async start(realm: TestRealm, name: string, options: GuardedOptions = {}): Promise<Guarded> {
    const { load, answer = echo, maxHeadersCount, ...required } = options
    const service = await realm.loadService(name, load)
    const onRefused = (refused: RefusedRequest): void => void guarded.refused.push(refused)
    const listener = requireTicket({ service, onRefused, ...required }, async (req, res, ticket) => {
      const body = await textOf(req)
      guarded.handled.push({ method: req.method ?? '', target: req.url ?? '', body, ticket })
      answer(req, res, ticket, body)
    })
    const server = createServer(listener)
    if (maxHeadersCount !== undefined) server.maxHeadersCount = maxHeadersCount
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const guarded: Guarded = new Guarded(service, (server.address() as AddressInfo).port)
    return guarded
  }

  get port(): number {
    return this.#port
  }

  /** Sends it directly, past every proxy. */
  deliver(request: Captured): Promise<Relayed> {
    return deliver(this.port, request)
  }
}

const echo: Answerer = (req, res, { client }, body) => {
  res.end(`${client} ${req.method} ${req.url} ${body}`.trim())
}

async function textOf(req: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of req) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

/** A realm in this process, closed with the test. */
export async function startTestRealm(options: TestRealmOptions = {}): Promise<TestRealm> {
  const realm = await startRealm(options)
  onTestFinished(() => realm.close())
  return realm
}

/** Registers a person whose password nobody needs to know, with a key that is made quickly. */
export async function addPerson(realm: TestRealm, name: string): Promise<void> {
  const parameters = parametersWith(systemRandom(SIZE.SALT))
  const password = { parameters, key: new LongTermKey(systemRandom(SIZE.KEY)) }
  const principal = principalIn(realm.kdc.realm, name)
  await realm.administration.add({ principal, password, ...NO_LIMITS })
}

/** A realm, the service `orders`, the client `web`, and an attacker on both connections. */
export interface World {
  readonly realm: TestRealm
  readonly clock: TestClock
  readonly orders: Guarded
  readonly http: HttpProxy
  readonly kdc: WebSocketProxy
  readonly web: Realm
}

export interface WorldOptions extends GuardedOptions {
  readonly connect?: Partial<ConnectOptions>
  readonly realm?: TestRealmOptions
}

export async function startWorld({ connect, realm: options, ...guarded }: WorldOptions = {}): Promise<World> {
  const realm = await startTestRealm(options)
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders', { delegable: true })
  const orders = await Guarded.start(realm, 'orders', guarded)
  const http = await HttpProxy.start(orders.port)
  const kdc = await WebSocketProxy.start(realm.kdc.url)
  const web = await realm.connect('web', { kdc: kdc.url, services: { [http.url]: 'orders' }, ...connect })
  return { realm, clock: realm.clock, orders, http, kdc, web }
}

/** What a service's refusal says to everybody on the network; only its client knows whether a type 06 is right. */
export function expectRefused(response: Relayed, code: WireCode, type: '05' | '06'): void {
  const challenge = challengeIn(headerOf(response, 'www-authenticate'))
  const seen = `${response.status} ${response.body}`
  expect(challenge?.code, seen).toBe(code)
  expect(challenge?.error?.[1], seen).toBe(type === '05' ? 5 : 6)
  expect(headerOf(response, 'authentication-info')).toBeUndefined()
  if (type === '05') {
    expect(openUnauthenticatedError(challenge?.error ?? new Uint8Array()).code).toBe(code)
  }
}
