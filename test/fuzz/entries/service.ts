import { toBase64url } from '../../../shared/bytes.js'
import { LIMIT, TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { revealKey } from '../../../shared/crypto/keys.js'
import { seal } from '../../../shared/crypto/seal.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import { header } from '../../../shared/encoding/message.js'
import { CREDENTIAL_HEADER } from '../../../shared/http/header-names.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { loadService } from '../../support/load-service.js'
import { fixedRandom } from '../../vectors.js'
import { type Entry, latin1, mistakeOf, nearly, ofText, refusalOf, textOf } from '../entry.js'
import { join } from '../mutate.js'
import { channelFrames, tcpFrames } from './channels.js'
import { caveatSeeds } from './messages.js'
import {
  apRequestOf,
  bodyOf,
  contentOf,
  KVNO,
  NONCE,
  ORDERS,
  requestOf,
  SEAL_NONCE,
  ServiceScene,
  serviceKey,
  sessionKey,
  signed,
  ticketOf,
  WEB,
} from './service-scene.js'

/** Requests into a service, over Node's own HTTP: the bytes as they come, and everything that is behind a MAC. */

const GATE = parsePrincipal('gate@demo.example')

const POST = { method: 'POST', target: '/orders?dry=1', headers: [['content-type', 'text/plain']] } as const

/** Sockets, streams, request and response of Node's own for each connection, however little comes over it. */
const HTTP_FLOOR = 512 * 1024

async function bytesOfHttp(scene: ServiceScene): Promise<Entry> {
  const post = signed(scene, { ...POST, body: new Uint8Array(20).fill(65) })
  const chunked = latin1(post).replace(/content-length: 20\r\n\r\n.*$/, 'transfer-encoding: chunked\r\n\r\n')
  const further = {
    headers: [
      ['orthrus-covered', 'etag, x-tenant'],
      ['x-tenant', 'acme'],
    ],
  } as const
  const good = [
    signed(scene, {}),
    post,
    signed(scene, { headers: [['range', `a${' '.repeat(13_000)}b`]] }),
    signed(scene, further),
  ]
  const genuine: string[] = []
  for (const request of good) {
    await scene.send(request, take => take())
    genuine.push(...scene.handled)
  }
  return {
    name: 'service: bytes of HTTP',
    form: 'text',
    floor: HTTP_FLOOR,
    seeds: [
      ...good,
      requestOf({}, nearly(apRequestOf(encode(bodyOf(scene, {}))))),
      requestOf({ target: '/orders/8' }, apRequestOf(encode(bodyOf(scene, {})))),
      ...ofText(
        `${chunked}14\r\n${'A'.repeat(20)}\r\n0\r\n\r\n`,
        `${chunked}14;x=y\r\n${'A'.repeat(20)}\r\n0\r\nx-trailer: 1\r\n\r\n`,
        'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
        'GET / HTTP/1.1\r\nhost: x\r\nauthorization: Orthrus AAAA\r\nx-original-url: /\r\n\r\n',
        'POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc',
      ),
    ],
    run: async (bytes, measure) => {
      const outcome = await scene.send(bytes, measure)
      const forged = scene.handled.find(covered => !genuine.some(each => each.startsWith(covered)))
      if (forged !== undefined) throw new Error(`the handler was given what nobody sent: ${forged}`)
      return outcome
    },
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
      seed('GET', '/orders/7', [
        ['orthrus-covered', 'etag, x-tenant'],
        ['x-tenant', 'acme'],
        ['etag', '"1"'],
      ]),
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
    most: LIMIT.TICKET_BYTES + 64,
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
    await bytesOfHttp(scene),
    signedRequest(scene),
    apRequest(scene),
    ticketInside(scene),
    caveat(scene),
    handOff(scene),
    serviceKeytab,
    channelFrames(scene),
    tcpFrames,
  ]
}
