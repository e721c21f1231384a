import { createServer, type Server } from 'node:http'
import { Duplex } from 'node:stream'
import { loadService } from '../../../service/load-service.js'
import { BoundedReplayCache } from '../../../service/replay-cache.js'
import { requireTicket } from '../../../service/require-ticket.js'
import { toBase64url } from '../../../shared/bytes.js'
import { createMac, deriveAuthKey } from '../../../shared/crypto/derive.js'
import { LongTermKey, revealKey, SessionKey } from '../../../shared/crypto/keys.js'
import { seal } from '../../../shared/crypto/seal.js'
import { formatKeytab } from '../../../shared/keytab.js'
import { silentLogger } from '../../../shared/logger.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { LIMIT, TYPE } from '../../../shared/protocol/constants.js'
import { decode, encode, type Value } from '../../../shared/protocol/encoding.js'
import { CREDENTIAL_HEADER, formatMessageHeader, requestBinding } from '../../../shared/protocol/http.js'
import { header } from '../../../shared/protocol/message.js'
import { sealTicket } from '../../../shared/protocol/ticket.js'
import { TestClock } from '../../service/clock.js'
import { formatRequest } from '../../service/connection.js'
import { fixedRandom } from '../../vectors.js'
import { type Entry, latin1, type Measure, mistakeOf, ofText, refusalOf, textOf } from '../entry.js'
import { join } from '../mutate.js'
import { caveatsIn } from './kdc.js'
import { caveatSeeds } from './messages.js'

/** Requests into a service, over Node's own HTTP: the bytes as they come, and everything that is behind a MAC. */

const ORDERS = parsePrincipal('orders@demo.example')
const WEB = parsePrincipal('web/1@demo.example')
const GATE = parsePrincipal('gate@demo.example')
const serviceKey = new LongTermKey(new Uint8Array(32).fill(31))
const sessionKey = new SessionKey(new Uint8Array(32).fill(32))
const NONCE = new Uint8Array(16).fill(33)
const SEAL_NONCE = new Uint8Array(24).fill(34)
const KVNO = 3

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
class ServiceScene {
  readonly clock = new TestClock()
  readonly errors: unknown[] = []
  readonly server: Server

  private constructor(server: Server) {
    this.server = server
  }

  static async create(): Promise<ServiceScene> {
    let guard: ReturnType<typeof requireTicket> | undefined
    // What has been sent is answered, though nothing more will be.
    const server = Object.assign(
      createServer((req, res) => guard?.(req, res, () => {})),
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
      schedule: clock.schedule,
      replayCache: scene.#admitAll(),
      logger: { ...silentLogger, error },
    })
    const tenant = (value: unknown) => value === 'acme'
    guard = requireTicket({ service, caveats: { tenant } }, (_, res, ticket) => {
      const onBehalf = (): string => ticket.onBehalf({ onBehalf: text => text.slice(0, 9) })
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

function contentOf(now: number): Parameters<typeof sealTicket>[3] {
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

function ticketOf(scene: ServiceScene): Uint8Array {
  return sealTicket(ORDERS, KVNO, serviceKey, contentOf(scene.clock.now()), fixedRandom(SEAL_NONCE)).bytes
}

function bodyOf(scene: ServiceScene, signing: Signing): Value[] {
  const { method = 'GET', target = '/orders/7', headers = [], body = new Uint8Array() } = signing
  const binding = requestBinding(method, target, headers, body)
  const { ticket = ticketOf(scene), caveats = [] } = signing
  return [ticket, [...caveats], scene.clock.now(), NONCE, binding, null]
}

function requestOf(signing: Signing, apReq: Uint8Array): Uint8Array {
  const { method = 'GET', target = '/orders/7', headers = [], body } = signing
  const all = [...headers, ['authorization', formatMessageHeader(apReq)] as const]
  return formatRequest({ method, target, headers: all, ...(body === undefined ? {} : { body }) })
}

function apRequestOf(list: Uint8Array, key = sessionKey): Uint8Array {
  const message = join(header(TYPE.AP_REQ), list)
  return join(message, createMac(deriveAuthKey(key, caveatsIn(list)), 'ap-req', message))
}

function signed(scene: ServiceScene, signing: Signing): Uint8Array {
  return requestOf(signing, apRequestOf(encode(bodyOf(scene, signing)), signing.key))
}

const POST = { method: 'POST', target: '/orders?dry=1', headers: [['content-type', 'text/plain']] } as const

/** Sockets, streams, request and response of Node's own for each connection, however little comes over it. */
const HTTP_FLOOR = 512 * 1024

function bytesOfHttp(scene: ServiceScene): Entry {
  const post = signed(scene, { ...POST, body: new Uint8Array(20).fill(65) })
  const chunked = latin1(post).replace(/content-length: 20\r\n\r\n.*$/, 'transfer-encoding: chunked\r\n\r\n')
  return {
    name: 'service: bytes of HTTP',
    form: 'text',
    floor: HTTP_FLOOR,
    seeds: [
      signed(scene, {}),
      post,
      signed(scene, { headers: [['range', `a${' '.repeat(13_000)}b`]] }),
      ...ofText(
        `${chunked}14\r\n${'A'.repeat(20)}\r\n0\r\n\r\n`,
        `${chunked}14;x=y\r\n${'A'.repeat(20)}\r\n0\r\nx-trailer: 1\r\n\r\n`,
        'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
        'GET / HTTP/1.1\r\nhost: x\r\nauthorization: Orthrus AAAA\r\nx-original-url: /\r\n\r\n',
        'POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc',
      ),
    ],
    run: (bytes, measure) => scene.send(bytes, measure),
  }
}

function signedRequest(scene: ServiceScene): Entry {
  const text = (value: Value | undefined): string =>
    typeof value === 'string' ? value : value instanceof Uint8Array ? latin1(value) : ''
  const seed = (method: string, target: string, headers: readonly (readonly string[])[], body = '') =>
    encode([method, target, headers.map(([name = '', value = '']) => [name, value]), Buffer.from(body)])
  return {
    name: 'service: a request bound as it stands',
    form: 'list',
    floor: HTTP_FLOOR,
    seeds: [
      seed('GET', '/orders/7?x=%2e', [['range', 'bytes=0-1']]),
      seed(
        'POST',
        '/orders',
        [
          ['content-type', 'a'],
          ['if-match', '"x"'],
          ['x-other', 'y'],
        ],
        'body',
      ),
      seed('DELETE', '*', [
        ['content-encoding', 'gzip'],
        ['content-encoding', 'br'],
        ['x-rewrite-url', '/'],
      ]),
    ],
    run: (input, measure) => {
      const request = requestFrom(input, text)
      if (request === undefined) return 'cannot be written'
      return scene.send(request, measure)
    },
  }

  function requestFrom(
    input: Uint8Array,
    text: (value: Value | undefined) => string,
  ): Uint8Array | undefined {
    try {
      const [method, target, headers, body] = decode(input)
      const pairs = (Array.isArray(headers) ? headers : []).map(pair =>
        Array.isArray(pair) ? ([text(pair[0]), text(pair[1])] as const) : (['x', ''] as const),
      )
      const bytes = body instanceof Uint8Array ? { body } : {}
      return signed(scene, { method: text(method), target: text(target), headers: pairs, ...bytes })
    } catch (cause) {
      refusalOf(cause, ['malformed'])
      return undefined
    }
  }
}

function apRequest(scene: ServiceScene): Entry {
  const own = bodyOf(scene, {})
  const caveat = encode(['expires', scene.clock.now() + 60_000])
  const delegated = [ticketOf(scene), [encode(['holder', WEB])], WEB]
  return {
    name: 'service: an AP-REQ whose MAC holds',
    form: 'list',
    floor: HTTP_FLOOR,
    seeds: [own, own.with(1, [caveat]), own.with(5, delegated)].map(body => encode(body)),
    run: (body, measure) => scene.send(requestOf({}, apRequestOf(body)), measure),
  }
}

function ticketInside(scene: ServiceScene): Entry {
  const { key, claims, caveats, ...rest } = contentOf(scene.clock.now())
  const list = (claims: Value[], caveats: readonly Uint8Array[]): Uint8Array =>
    encode([
      ...[rest.ticketId, rest.client, rest.clientId, revealKey(key), rest.authTime, rest.startTime],
      ...[rest.endTime, rest.renewTill, rest.flags, claims, [...caveats]],
    ])
  const aad = join(header(TYPE.TICKET), encode([ORDERS, KVNO]))
  return {
    name: 'service: inside of a ticket',
    form: 'list',
    floor: HTTP_FLOOR,
    seeds: [
      list([['role', 'reader']], []),
      list(
        [
          ['__proto__', true],
          ['constructor', 7],
          ['x', ['y']],
        ],
        caveatSeeds.slice(2, 5),
      ),
    ],
    run: (plaintext, measure) => {
      const box = seal(serviceKey, 'ticket', aad, plaintext, fixedRandom(SEAL_NONCE))
      const ticket = join(header(TYPE.TICKET), encode([ORDERS, KVNO, box]))
      return scene.send(signed(scene, { ticket }), measure)
    },
  }
}

function caveat(scene: ServiceScene): Entry {
  return {
    name: 'service: a caveat whose MAC holds',
    form: 'list',
    floor: HTTP_FLOOR,
    seeds: caveatSeeds,
    most: LIMIT.CAVEATS_BYTES,
    run: (bytes, measure) => scene.send(signed(scene, { caveats: [bytes] }), measure),
  }
}

function handOff(scene: ServiceScene): Entry {
  const label = new TextEncoder().encode('orthrus/1 hand-off')
  const key = deriveAuthKey(sessionKey, [])
  const chain = new Uint8Array(32).fill(40)
  const array = (client: string, ...caveats: Uint8Array[]): Uint8Array =>
    encode([ticketOf(scene), caveats, chain, false, 'billing@demo.example', client, 1_800_000_000_000])
  return {
    name: 'service: a credential sent along',
    form: 'list',
    floor: HTTP_FLOOR,
    seeds: [array(WEB, encode(['holder', ORDERS])), array(GATE)],
    run: (credential, measure) => {
      const box = seal(key, 'hand-off', join(label, NONCE), credential, fixedRandom(SEAL_NONCE))
      const headers = [[CREDENTIAL_HEADER, toBase64url(box)] as const]
      return scene.send(signed(scene, { headers }), measure)
    },
  }
}

const serviceKeytab: Entry = {
  name: 'service: the keytab that it is loaded by',
  form: 'text',
  seeds: ofText(
    formatKeytab([
      { principal: ORDERS, kvno: 2, key: serviceKey },
      { principal: ORDERS, kvno: KVNO, key: serviceKey },
    ]),
  ),
  most: 128 * 1024,
  run: async (input, measure) => {
    try {
      const service = await measure(() =>
        loadService({
          keytab: { text: textOf(input) },
          replayCache: { admit: () => ({ now: 0, floor: 0 }) },
        }),
      )
      return service.kvnos.join()
    } catch (cause) {
      return cause instanceof TypeError ? mistakeOf(cause) : refusalOf(cause, ['keytab_invalid'])
    }
  },
}

export async function serviceEntries(): Promise<Entry[]> {
  const scene = await ServiceScene.create()
  return [
    bytesOfHttp(scene),
    signedRequest(scene),
    apRequest(scene),
    ticketInside(scene),
    caveat(scene),
    handOff(scene),
    serviceKeytab,
  ]
}
