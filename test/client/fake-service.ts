import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { type AcceptedRequest, acceptRequest, requireBinding } from '../../shared/accept/accept.js'
import { Refusal } from '../../shared/accept/refusal.js'
import { TYPE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import { createAuthenticatedError, createError } from '../../shared/encoding/error.js'
import type { WireCode } from '../../shared/errors.js'
import { createApReply, decodeApRequest } from '../../shared/exchange/ap.js'
import { requestBinding, responseBinding } from '../../shared/http/binding.js'
import {
  formatChallenge,
  formatMessageHeader,
  parseMessageHeader,
  statusOf,
} from '../../shared/http/headers.js'
import { type Principal, realmOf } from '../../shared/principal.js'
import { openTicket } from '../../shared/ticket/ticket.js'
import type { TestClock } from '../support/clock.js'

/** A request as it arrived. */
export interface Arrived {
  readonly method: string
  readonly target: string
  readonly url: string
  readonly headers: Headers
  readonly body: Uint8Array
  readonly authorization: Uint8Array
  readonly init: RequestInit
}

export interface Answered {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: string | null
}

type Interceptor = (
  arrived: Arrived,
  honest: () => Promise<Response>,
  service: FakeService,
) => Response | Promise<Response>

/** A service made of shared/ and the real replay cache, behind a `fetch` in memory; a test can make it lie. */
export class FakeService {
  readonly principal: Principal
  readonly key: LongTermKey
  readonly time: TestClock
  /** How far its clock is from the test's, milliseconds. */
  ahead = 0
  readonly arrived: Arrived[] = []
  /** Requests that reached the handler. */
  readonly handled: Arrived[] = []
  handler: (arrived: Arrived) => Answered = ({ method, target }) => ({ body: `${method} ${target}` })
  /** Sees what arrives before the service, and answers in its place. */
  intercept: Interceptor = (_, honest) => honest()
  #replayCache: BoundedReplayCache

  constructor(principal: Principal, key: LongTermKey, time: TestClock) {
    this.principal = principal
    this.key = key
    this.time = time
    this.#replayCache = this.#newCache(time.now() - 60_000)
  }

  readonly #clock = { now: () => this.time.now() + this.ahead, monotonic: () => this.time.monotonic() }

  #newCache(floor?: number): BoundedReplayCache {
    return new BoundedReplayCache({ clock: this.#clock, ...(floor === undefined ? {} : { floor }) })
  }

  /** Its memory is gone, and its floor starts again. */
  restart(floor?: number): void {
    this.#replayCache = this.#newCache(floor)
  }

  readonly fetch: typeof globalThis.fetch = async (input, init = {}) => {
    const arrived = await readArrived(input, init)
    this.arrived.push(arrived)
    return await this.intercept(arrived, () => this.answer(arrived), this)
  }

  /** What an honest service answers. */
  async answer(arrived: Arrived): Promise<Response> {
    try {
      const accepted = await this.#accept(arrived)
      this.handled.push(arrived)
      return this.proved(accepted, arrived, this.handler(arrived))
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause
      return challenged(cause.wireCode, cause.reply)
    }
  }

  async #accept({ authorization, method, target, headers, body }: Arrived): Promise<AcceptedRequest> {
    const accepted = await acceptRequest(authorization, {
      type: TYPE.AP_REQ,
      service: this.principal,
      tickets: { open: ticket => openTicket(ticket, this.key) },
      replayCache: this.#replayCache,
      clock: this.#clock,
      method,
      target,
      checkers: new Map(),
    })
    const binding = requestBinding(method, target, headers, body)
    return requireBinding(accepted, binding)
  }

  /** A response with the service's proof. */
  proved(
    { key, request }: Pick<AcceptedRequest, 'key' | 'request'>,
    { method }: Pick<Arrived, 'method'>,
    answered: Answered,
  ): Response {
    const { status = 200, body = 'done' } = answered
    const headers = new Headers(answered.headers ?? { 'content-type': 'text/plain' })
    const bodiless = method === 'HEAD' || status === 204 || status === 304
    const bytes = new TextEncoder().encode(bodiless ? '' : (body ?? ''))
    const binding = responseBinding(status, headers, bytes)
    const reply = createApReply(key, request.mac, { time: this.#clock.now(), binding })
    headers.set('authentication-info', formatMessageHeader(reply))
    return new Response(bodiless ? null : bytes, { status, headers })
  }

  /** The values that an AP-REQ was made with, which only the service and its client know. */
  reveal({ authorization }: Arrived) {
    const request = decodeApRequest(TYPE.AP_REQ, authorization)
    return { request, key: deriveAuthKey(openTicket(request.ticket, this.key).key, request.caveats) }
  }

  /** An ERROR of type 06 that answers the request. */
  refuse(
    arrived: Arrived,
    code: WireCode,
    times: { time?: number; floor?: number | null; message?: string } = {},
  ) {
    const { request, key } = this.reveal(arrived)
    const { time = this.#clock.now(), floor = null, message = '' } = times
    return challenged(code, createAuthenticatedError(key, request.mac, { code, time, floor, message }))
  }

  /** An ERROR of type 05, as anybody can write it. */
  forge(code: WireCode): Response {
    return challenged(code, createError({ code, time: this.#clock.now(), floor: null, message: 'forged' }))
  }
}

function challenged(code: WireCode, error: Uint8Array): Response {
  const realm = realmOf('orders@demo.example' as Principal)
  const headers = { 'www-authenticate': formatChallenge({ realm, code, error }) }
  return new Response(`${code}\n`, { status: statusOf(code), headers })
}

async function readArrived(input: RequestInfo | URL, init: RequestInit): Promise<Arrived> {
  if (init.signal?.aborted) throw init.signal.reason
  const request = new Request(input, init)
  const url = new URL(request.url)
  const authorization = parseMessageHeader(request.headers.get('authorization') ?? undefined)
  if (authorization === undefined) throw new Error('no AP-REQ')
  return {
    method: request.method,
    target: url.pathname + url.search,
    url: request.url,
    headers: request.headers,
    body: new Uint8Array(await request.arrayBuffer()),
    authorization,
    init,
  }
}
