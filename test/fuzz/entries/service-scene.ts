import { createServer, type IncomingMessage, type Server } from 'node:http'
import { Duplex } from 'node:stream'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import type { Service } from '../../../service/request/service.js'
import { type RequestListener, requireTicket } from '../../../service/require-ticket.js'
import { TYPE } from '../../../shared/constants.js'
import { createMac, deriveAuthKey } from '../../../shared/crypto/derive.js'
import { LongTermKey, SessionKey } from '../../../shared/crypto/keys.js'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import { header } from '../../../shared/encoding/message.js'
import { requestBinding } from '../../../shared/http/binding.js'
import {
  COVERED_REQUEST_HEADERS,
  FURTHER_HEADER,
  OVERRIDE_HEADERS,
} from '../../../shared/http/header-names.js'
import { formatMessageHeader } from '../../../shared/http/headers.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { silentLogger } from '../../../shared/logger.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { sealTicket } from '../../../shared/ticket/ticket.js'
import { formatRequest } from '../../service/connection.js'
import { TestClock } from '../../support/clock.js'
import { loadService } from '../../support/load-service.js'
import { fixedRandom } from '../../vectors.js'
import { latin1, type Measure, refusalOf } from '../entry.js'
import { join } from '../mutate.js'
import { caveatsIn } from './kdc.js'

/** A service over Node's own HTTP, without a port, and requests to it. */

export const ORDERS = parsePrincipal('orders@demo.example')
export const WEB = parsePrincipal('web/1@demo.example')
export const serviceKey = new LongTermKey(new Uint8Array(32).fill(31))
export const sessionKey = new SessionKey(new Uint8Array(32).fill(32))
export const NONCE = new Uint8Array(16).fill(33)
export const SEAL_NONCE = new Uint8Array(24).fill(34)
export const KVNO = 3

/** One side of a connection that is written to at once, and whose other side has then ended. */
class Wire extends Duplex {
  readonly written: Buffer[] = []
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk))
    done()
  }
  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
}

/** Node's parser and server around one handler, without a port. */
export class ServiceScene {
  readonly clock = new TestClock()
  readonly errors: unknown[] = []
  /** What its handler saw of the bytes that were sent last: `coveredOf` each request. */
  readonly handled: string[] = []
  readonly server: Server
  service!: Service

  private constructor(server: Server) {
    this.server = server
  }

  static async create(): Promise<ServiceScene> {
    let guard: RequestListener | undefined
    // What has been sent is answered, though nothing more will be.
    const server = Object.assign(
      createServer((req, res) => guard?.(req, res)),
      { httpAllowHalfOpen: true },
    )
    const scene = new ServiceScene(server)
    const error = (fields: object, message: string): void => {
      scene.errors.push((fields as { err?: unknown }).err ?? new Error(message))
    }
    const { clock } = scene
    const service = await loadService({
      keytab: { text: formatKeytab([{ principal: ORDERS, kvno: KVNO, key: serviceKey }]) },
      clock,
      timers: clock,
      replayCache: scene.#admitAll(),
      logger: { ...silentLogger, error },
    })
    scene.service = service
    const tenant = (value: unknown) => value === 'acme'
    guard = requireTicket({ service, caveats: { tenant } }, async (req, res, ticket) => {
      scene.handled.push(await coveredOf(req))
      const onBehalf = (): string => ticket.onBehalf({ client: ORDERS, onBehalf: text => text.slice(0, 9) })
      res.end([ticket.client, ticket.via, Object.keys(ticket.claims), handedOff(onBehalf)].join(' '))
    })
    return scene
  }

  /** The real one, asked for its opinion, but the same request may come again: it must come to the same. */
  #admitAll() {
    const { clock } = this
    const floor = clock.now() - 60_000
    let cache = new BoundedReplayCache({ clock, floor, maxBytes: 512 * 1024 })
    return {
      admit: (request: Parameters<BoundedReplayCache['admit']>[0]) => {
        const admission = cache.admit(request)
        if (admission.refusal === undefined || admission.refusal === 'replay') {
          cache = cache.size < 200 ? cache : new BoundedReplayCache({ clock, floor, maxBytes: 512 * 1024 })
          return { now: admission.now, floor: admission.floor }
        }
        return admission
      },
    }
  }

  /** The first line of what is answered, and the code in it. */
  async send(bytes: Uint8Array, measure: Measure): Promise<string> {
    const wire = new Wire()
    this.handled.length = 0
    await measure(async () => {
      const closed = new Promise<void>(resolve => wire.once('close', resolve))
      wire.on('error', () => {})
      this.server.emit('connection', wire)
      wire.push(bytes)
      wire.push(null)
      await closed
    })
    const unexpected = this.errors.splice(0)
    if (unexpected.length > 0) throw unexpected[0]
    const answer = latin1(Buffer.concat(wire.written))
    const [, status = 'nothing'] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? []
    const [, code = ''] = /error="([a-z_]+)"/.exec(answer) ?? []
    return `${status} ${code}`.trim()
  }
}

/** Of a request all that its MAC covers, and the MAC itself; spaces and the case of the scheme are not covered. */
async function coveredOf(req: IncomingMessage): Promise<string> {
  const further = req.headersDistinct[FURTHER_HEADER] ?? []
  const names = further.flatMap(list => list.split(', '))
  const fields = [...COVERED_REQUEST_HEADERS, ...OVERRIDE_HEADERS, FURTHER_HEADER, ...names].map(
    name => req.headersDistinct[name] ?? [],
  )
  const [, message] = /^orthrus +(\S+)$/i.exec(req.headers.authorization ?? '') ?? []
  const head = JSON.stringify([req.method, req.url, message, fields])
  const body = await arrivedBody(req)
  // What it begins with is all that is known where the rest did not come.
  return body === undefined ? head : `${head} ${JSON.stringify(latin1(body))}`
}

/** Nothing where whatever came behind it has broken the connection meanwhile. */
async function arrivedBody(req: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of req) chunks.push(chunk as Buffer)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ECONNRESET') return undefined
    throw cause
  }
  return Buffer.concat(chunks)
}

function handedOff(take: () => string): string {
  try {
    return take()
  } catch (cause) {
    return refusalOf(cause, ['credential_invalid'])
  }
}

interface Signing {
  readonly method?: string
  readonly target?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: Uint8Array
  readonly ticket?: Uint8Array
  readonly caveats?: readonly Uint8Array[]
  readonly key?: SessionKey
}

export function contentOf(now: number): Parameters<typeof sealTicket>[3] {
  return {
    ticketId: new Uint8Array(16),
    client: WEB,
    clientId: new Uint8Array(8),
    key: sessionKey,
    authTime: now - 60_000,
    startTime: now - 60_000,
    endTime: now + 3_600_000,
    renewTill: null,
    flags: 1,
    claims: [
      ['role', 'reader'],
      ['tenants', ['acme']],
    ],
    caveats: [],
  }
}

export function ticketOf(scene: ServiceScene): Uint8Array {
  return sealTicket(ORDERS, KVNO, serviceKey, contentOf(scene.clock.now()), fixedRandom(SEAL_NONCE)).bytes
}

export function bodyOf(scene: ServiceScene, signing: Signing): Value[] {
  const { method = 'GET', target = '/orders/7', headers = [], body = new Uint8Array() } = signing
  const binding = requestBinding(method, target, headers, body)
  const { ticket = ticketOf(scene), caveats = [] } = signing
  return [ticket, [...caveats], scene.clock.now(), NONCE, binding, null]
}

export function requestOf(signing: Signing, apReq: Uint8Array): Uint8Array {
  const { method = 'GET', target = '/orders/7', headers = [], body } = signing
  const all = [...headers, ['authorization', formatMessageHeader(apReq)] as const]
  return formatRequest({ method, target, headers: all, ...(body === undefined ? {} : { body }) })
}

export function apRequestOf(list: Uint8Array, key = sessionKey): Uint8Array {
  const message = join(header(TYPE.AP_REQ), list)
  return join(message, createMac(deriveAuthKey(key, caveatsIn(list)), 'ap-req', message))
}

export function signed(scene: ServiceScene, signing: Signing): Uint8Array {
  return requestOf(signing, apRequestOf(encode(bodyOf(scene, signing)), signing.key))
}
