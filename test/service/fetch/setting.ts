import type { ServiceFeed } from '../../../service/feed/service-feed.js'
import {
  type FetchHandler,
  type GuardedHandler,
  type RequireTicketOptions,
  requireTicket,
} from '../../../service/fetch-handler.js'
import type { RefusedRequest, Service } from '../../../service/index.js'
import { createService, partsOf } from '../../../service/request/service.js'
import type { TestClock } from '../../support/clock.js'
import { loadService } from '../../support/load-service.js'
import type { RawRequest, RawResponse } from '../connection.js'
import { keytab, TestRealm } from '../realm.js'

/** A service whose gate is called with plain objects of the platform. */

export interface Setting extends Partial<Omit<RequireTicketOptions, 'service'>> {
  readonly handler?: FetchHandler<[]>
  readonly feed?: ServiceFeed
  readonly testClock?: TestClock
}

export const ORIGIN = 'http://localhost'

export interface StartedGate {
  readonly realm: TestRealm
  /** What the handler was given. */
  readonly seen: Request[]
  readonly guarded: GuardedHandler<[]>
  readonly service: Service
  readonly clock: TestClock
}

export async function start({ handler, feed, testClock, ...options }: Setting = {}): Promise<StartedGate> {
  const realm = new TestRealm(testClock)
  const { clock, log: logger } = realm
  const loaded = await loadService({ keytab, service: 'orders', clock, logger, timers: clock })
  realm.service = feed ? createService({ ...partsOf(loaded), revocation: feed }) : loaded
  clock.advance(7_000)
  const seen: Request[] = []
  const onRefused = (refused: RefusedRequest): void => void realm.refused.push(refused)
  const guarded = requireTicket({ service: realm.service, onRefused, ...options }, (request, ticket) => {
    seen.push(request)
    return handler?.(request, ticket) ?? new Response('hello')
  })
  return { realm, seen, guarded, service: realm.service, clock }
}

/** As a server would make it. */
export function requestOf({ method, target, headers, body }: RawRequest, more: RequestInit = {}): Request {
  const pairs = headers.map(([name, value]): [string, string] => [name, value])
  const init = { method, headers: pairs, ...(body && { body: new Uint8Array(body) }), ...more }
  return new Request(ORIGIN + target, init)
}

export async function received(response: Response): Promise<RawResponse> {
  const { status, statusText: message } = response
  const body = Buffer.from(await response.arrayBuffer())
  return { status, message, headers: [...response.headers], body, informational: [] }
}

/** A stream of these pieces, which tells how many were asked for and whether it was cancelled. */
export function streamOf(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  const told = { pulled: 0, cancelled: false }
  const source = Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]()
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        told.pulled++
        const { done, value } = await source.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel() {
        told.cancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { stream, told }
}

export function* endless(size: number): Generator<Uint8Array> {
  for (;;) yield new Uint8Array(size)
}

export const never = (): Promise<never> => new Promise(() => {})
export const BODY = Buffer.from('pay 1')
export const streaming = (body: ReadableStream): RequestInit => ({ body, duplex: 'half' }) as RequestInit
