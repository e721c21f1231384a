import { once } from 'node:events'
import { get, type IncomingMessage, type RequestListener } from 'node:http'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { LoadServiceOptions, RefusedRequest, Service } from '../../../service/index.js'
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
  readonly ticket: AcceptedTicket
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
  readonly onRefused: (refused: RefusedRequest) => void
}

/**
 * Where the framework's own compression stands: before the gate, so that it compresses what was proved, or between gate
 * and handler, so that what it compresses is proved. It compresses texts of 2 KiB if the request says `gzip`.
 */
export type Compression = 'none' | 'in front' | 'behind'

/** A server of the framework, each request of which is guarded and answered by `answer`, which may throw. */
export type Adapter = (
  options: AdapterOptions,
  answer: (seen: Seen) => Promise<Reply>,
  compression: Compression,
) => RequestListener | Promise<RequestListener>

export interface Setting extends Omit<Partial<AdapterOptions>, 'service' | 'onRefused'> {
  readonly answer?: (seen: Seen) => Reply | Promise<Reply>
  readonly compression?: Compression
  readonly load?: Partial<LoadServiceOptions>
}

export interface RunningAdapter {
  readonly realm: RunningRealm
  /** In the order in which their handler was called. */
  readonly seen: Seen[]
}

export async function startAdapter(adapter: Adapter, setting: Setting = {}): Promise<RunningAdapter> {
  const { answer, compression = 'none', load, ...options } = setting
  const seen: Seen[] = []
  const realm = await startRealm({
    ...(load && { load }),
    listener: ({ service, refused }) =>
      adapter(
        { service, onRefused: each => void refused.push(each), ...options },
        async request => {
          seen.push(request)
          return answer?.(request) ?? { body: `hello ${request.ticket.client}` }
        },
        compression,
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
