import { once } from 'node:events'
import { get, type IncomingMessage, type RequestListener } from 'node:http'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { CorsOptions, LoadServiceOptions, RefusedRequest, Service } from '../../../service/index.js'
import type { RequirementOptions } from '../../../service/request/requirements.js'
import type { AcceptedTicket } from '../../../service/request/ticket.js'
import type { RawRequest, RawResponse } from '../connection.js'
import { type RunningRealm, startRealm } from '../realm.js'

/** What an adapter is to the suite, and a server of it that listens. */

/** A request as a handler has it. */
export interface Seen {
  readonly method: string
  readonly target: string
  /** In lower case. */
  header(name: string): string | undefined
  readonly body: Uint8Array
  /** `undefined` for who came by the key. */
  readonly ticket: AcceptedTicket | undefined
}

/** What the handler answers, by whatever means its framework has for that. */
export interface Reply {
  readonly status?: number
  /** A name may occur twice. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
  readonly body?: string | Uint8Array | Readable
}

export interface AdapterOptions extends RequirementOptions {
  readonly service: Service
  readonly requireCovered?: readonly string[]
  readonly coverResponseHeaders?: readonly string[]
  readonly maxBody?: number
  readonly maxResponse?: number
  readonly cors?: CorsOptions
  readonly pathPrefix?: string
  readonly permitWithoutTicket?: boolean
  readonly externalUrl?: (request: { readonly url?: string | undefined }) => string
  readonly onRefused: (refused: RefusedRequest) => void
}

/**
 * Where the framework's own compression stands: before the gate, so that it compresses what was proved, or between gate
 * and handler, so that what it compresses is proved. It compresses texts of 2 KiB if the request says `gzip`.
 */
export type Compression = 'none' | 'in front' | 'behind'

/**
 * A server of the framework, each request of which is guarded and answered by `answer`, which may throw.
 * @param either whether a request without a ticket may come by the key: `hasKey` decides, and others get `NO_KEY`
 */
export type Adapter = (
  options: AdapterOptions,
  answer: (seen: Seen) => Promise<Reply>,
  compression: Compression,
  either: boolean,
) => RequestListener | Promise<RequestListener>

export const KEY = ['x-api-key', 'right'] as const
export const NO_KEY = { status: 401, body: 'a key or a ticket', headers: { 'x-own': 'y' } } as const

export function hasKey(given: string | null | undefined): boolean {
  return given === KEY[1]
}

export interface Setting extends Omit<Partial<AdapterOptions>, 'service' | 'onRefused'> {
  readonly answer?: (seen: Seen) => Reply | Promise<Reply>
  readonly compression?: Compression
  readonly either?: boolean
  readonly load?: Partial<LoadServiceOptions>
}

export interface RunningAdapter {
  readonly realm: RunningRealm
  /** In the order in which their handler was called. */
  readonly seen: Seen[]
}

export async function startAdapter(adapter: Adapter, setting: Setting = {}): Promise<RunningAdapter> {
  const { answer, compression = 'none', either = false, load, ...options } = setting
  const seen: Seen[] = []
  const realm = await startRealm({
    ...(load && { load }),
    listener: ({ service, refused }) =>
      adapter(
        { service, onRefused: each => void refused.push(each), ...options },
        async request => {
          seen.push(request)
          return answer?.(request) ?? { body: `hello ${request.ticket?.client ?? 'holder of the key'}` }
        },
        compression,
        either,
      ),
  })
  return { realm, seen }
}

export async function exchange(realm: RunningRealm, request: Partial<RawRequest> = {}) {
  const signed = realm.sign(request)
  const response = await realm.send(signed)
  return { signed, response }
}

/** By the platform's own client, which takes chunks, and is quicker than the one that sends any bytes. */
export async function getByNode(
  { port }: RunningRealm,
  { target, headers }: RawRequest,
): Promise<RawResponse> {
  const request = get({
    port,
    host: '127.0.0.1',
    path: target,
    headers: Object.fromEntries(headers),
    agent: false,
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const { statusCode: status = 0, statusMessage: message = '', rawHeaders: raw } = response
  const pairs = Array.from(
    { length: raw.length / 2 },
    (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? ''] as const,
  )
  return { status, message, headers: pairs, body: await buffer(response), informational: [] }
}
