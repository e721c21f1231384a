import { upgradeFault } from '../../../shared/channel/upgrade.node.js'
import { LIMIT, TYPE } from '../../../shared/constants.js'
import { createMac, deriveAuthKey } from '../../../shared/crypto/derive.js'
import { LongTermKey, SessionKey } from '../../../shared/crypto/keys.js'
import { seal } from '../../../shared/crypto/seal.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import { openError } from '../../../shared/encoding/error.js'
import { header, messageType } from '../../../shared/encoding/message.js'
import { decodeAsRequest, openAsReply } from '../../../shared/exchange/as.js'
import { requireAnswers } from '../../../shared/exchange/reply.js'
import { createTgsRequest, decodeTgsRequest, openTgsReply } from '../../../shared/exchange/tgs.js'
import { decodeTicket, type SealedTicket } from '../../../shared/ticket/ticket.js'
import { steadyRandom } from '../../support/chance.js'
import {
  ADDRESS,
  grantOf,
  type Identity,
  krbtgt,
  local,
  login,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'
import { fixedRandom } from '../../vectors.js'
import { type Entry, type Measure, nearly, ofText, textOf } from '../entry.js'
import { join } from '../mutate.js'
import { caveatSeeds, messageSeeds } from './messages.js'

/** Frames into the KDC: as they come, and with everything before the fuzzed part proved. */

/** A realm whose keys and tickets are the same in each run. */
export interface KdcScene {
  readonly realm: TestRealm
  readonly web: Identity
  readonly tgt: { readonly sealed: SealedTicket; readonly key: SessionKey }
}

export async function kdcScene(): Promise<KdcScene> {
  const realm = await testRealm({ random: steadyRandom(7) })
  const web = await realm.add('web')
  await realm.add('orders')
  const password = {
    parameters: { log2N: 17, r: 8, p: 1, salt: new Uint8Array(16).fill(3) },
    key: new LongTermKey(new Uint8Array(32).fill(4)),
  }
  await realm.add('alice', { password })
  await realm.allow('web', 'orders', {
    claims: [
      ['role', 'reader'],
      ['tenants', ['acme', 'umbra']],
    ],
    methods: ['GET'],
    paths: ['/orders'],
    delegable: true,
  })
  const { ticket, key } = grantOf(await login(realm, web, { renewable: true }))
  return { realm, web, tgt: { sealed: decodeTicket(ticket), key } }
}

/** A failure that nobody expected is answered like any other, and told in the log alone. */
export function requireExpected({ logger }: TestRealm): void {
  const unexpected = logger.lines.find(line => line.level === 'error')
  logger.lines.length = 0
  if (unexpected !== undefined) throw unexpected.fields.err ?? new Error(unexpected.message)
}

const NONCE = new Uint8Array(16).fill(6)
const TICKET_NONCE = new Uint8Array(24).fill(8)

async function dispatched({ realm }: KdcScene, message: Uint8Array, measure: Measure): Promise<Uint8Array> {
  const answer = await measure(() => realm.dispatch(message, ADDRESS))
  requireExpected(realm)
  if (answer.length > LIMIT.MESSAGE_BYTES) throw new Error(`an answer of ${answer.length} bytes`)
  return answer
}

function anyFrame(scene: KdcScene): Entry {
  const genuine = [asRequestOf(scene, asBody(scene)), tgsRequestOf(scene, tgsBody(scene))]
  return {
    name: 'KDC: a frame as it comes',
    form: 'message',
    seeds: [...genuine, ...messageSeeds, ...genuine.map(nearly)],
    run: async (message, measure) => {
      const answer = await dispatched(scene, message, measure)
      const type = messageType(answer)
      const isGranted = type === TYPE.AS_REP || type === TYPE.TGS_REP
      // Parameters are told to anyone; tickets are for whom the MAC proves.
      if (isGranted && !genuine.some(each => Buffer.compare(each, message) === 0)) {
        throw new Error(`a reply of type ${type} to a request that nobody made`)
      }
      if (type !== TYPE.ERROR && type !== TYPE.ERROR_AUTHENTICATED) return `type ${type}`
      const [code] = decode(answer.subarray(2, type === TYPE.ERROR ? undefined : -32))
      return `${type} ${code}`
    },
  }
}

function asBody({ web }: KdcScene, ...services: string[]): Value[] {
  return [web.principal, web.kvno, START, NONCE, services.map(local), 0, 1]
}

function asRequestOf({ web }: KdcScene, body: readonly Value[] | Uint8Array): Uint8Array {
  const message = join(header(TYPE.AS_REQ), body instanceof Uint8Array ? body : encode(body))
  return join(message, createMac(web.key, 'as-req', message))
}

function asRequest(scene: KdcScene): Entry {
  const { web } = scene
  return {
    name: 'KDC: an AS-REQ whose MAC holds',
    form: 'list',
    seeds: [['orders'], [], ['orders', 'nobody', 'kdc', 'alice', 'krbtgt']].map(services =>
      encode(asBody(scene, ...services)),
    ),
    run: async (body, measure) => {
      const message = asRequestOf(scene, body)
      const answer = await dispatched(scene, message, measure)
      if (messageType(answer) !== TYPE.AS_REP) return openError(answer, web.key, message.subarray(-32)).code
      const request = decodeAsRequest(message)
      const reply = openAsReply(web.key, request, answer)
      requireAnswers(reply, { ...request, withTgt: true })
      return `${reply.grants.length} granted, ${reply.denials.length} denied`
    },
  }
}

function tgsBody({ tgt }: KdcScene, services: string[] = ['orders'], caveats: Uint8Array[] = []): Value[] {
  return [tgt.sealed.bytes, caveats, START, NONCE, services.map(local), 0, 0]
}

function tgsRequestOf(scene: KdcScene, body: readonly Value[] | Uint8Array): Uint8Array {
  const bytes = body instanceof Uint8Array ? body : encode(body)
  const message = join(header(TYPE.TGS_REQ), bytes)
  return join(message, createMac(deriveAuthKey(scene.tgt.key, caveatsIn(bytes)), 'tgs-req', message))
}

/** Those that the KDC will derive the key with, where it gets so far. */
export function caveatsIn(body: Uint8Array): Uint8Array[] {
  try {
    const caveats = decode(body)[1]
    return Array.isArray(caveats) ? caveats.filter(each => each instanceof Uint8Array) : []
  } catch {
    return []
  }
}

async function tgsOutcome(
  scene: KdcScene,
  message: Uint8Array,
  measure: Measure,
  key = scene.tgt.key,
): Promise<string> {
  const answer = await dispatched(scene, message, measure)
  const authKey = deriveAuthKey(key, caveatsIn(message.subarray(2, -32)))
  if (messageType(answer) !== TYPE.TGS_REP) return openError(answer, authKey, message.subarray(-32)).code
  const reply = openTgsReply(authKey, decodeTgsRequest(message), answer)
  return `${reply.grants.length} granted, ${reply.denials.length} denied`
}

function tgsRequest(scene: KdcScene): Entry {
  const expires = caveatSeeds[0] as Uint8Array
  return {
    name: 'KDC: a TGS-REQ whose MAC holds',
    form: 'list',
    seeds: [
      tgsBody(scene),
      tgsBody(scene, ['orders', 'alice', 'nobody'], [expires]),
      tgsBody(scene, []).with(6, 1),
    ].map(body => encode(body)),
    run: (body, measure) => tgsOutcome(scene, tgsRequestOf(scene, body), measure),
  }
}

function tgsCaveat(scene: KdcScene): Entry {
  return {
    name: 'KDC: a caveat of a TGS-REQ whose MAC holds',
    form: 'list',
    seeds: caveatSeeds,
    most: LIMIT.CAVEATS_BYTES,
    run: (caveat, measure) =>
      tgsOutcome(scene, tgsRequestOf(scene, tgsBody(scene, ['orders'], [caveat])), measure),
  }
}

async function tgtInside(scene: KdcScene): Promise<Entry> {
  const { realm, web } = scene
  const service = await krbtgt(realm)
  const { clientId } = await realm.record('web')
  const aad = join(header(TYPE.TICKET), encode([service.principal, service.kvno]))
  const key = new Uint8Array(32).fill(11)
  const inside = (...caveats: Uint8Array[]): Value[] => [
    ...[new Uint8Array(16), web.principal, clientId, key, START, START, START + 3_600_000],
    ...[START + 7_200_000, 0, [['role', 'x']], caveats],
  ]
  return {
    name: 'KDC: inside of a TGT',
    form: 'list',
    most: LIMIT.TICKET_BYTES + 64,
    seeds: [inside(), inside(...caveatSeeds.slice(0, 2)), inside().with(7, null)].map(list => encode(list)),
    run: (plaintext, measure) => {
      const box = seal(service.key, 'ticket', aad, plaintext, fixedRandom(TICKET_NONCE))
      const bytes = join(header(TYPE.TICKET), encode([service.principal, service.kvno, box]))
      const session = new SessionKey(key)
      if (bytes.length > LIMIT.TICKET_BYTES) return 'too long'
      const question = { caveats: [], time: START, nonce: NONCE, services: [local('orders')], lifetime: 0 }
      const authKey = deriveAuthKey(session, [])
      const { bytes: message } = createTgsRequest(authKey, decodeTicket(bytes), { ...question, renew: true })
      return tgsOutcome(scene, message, measure, session)
    },
  }
}

const handshake: Entry = {
  name: 'KDC: headers of a handshake',
  form: 'text',
  seeds: ofText('orthrus.v1\nhttps://console.example', 'a, orthrus.v1 ,b\n', '\n'),
  most: 16 * 1024,
  run: (input, measure) => {
    const [protocol = '', origin] = textOf(input).split('\n')
    const headers = { 'sec-websocket-protocol': protocol, ...(origin ? { origin } : {}) }
    const request = { headers } as Parameters<typeof upgradeFault>[0]
    const fault = measure(() => upgradeFault(request, ['https://console.example']))
    return fault === undefined ? 'taken' : String(fault.status)
  },
}

export async function kdcEntries(): Promise<Entry[]> {
  const scene = await kdcScene()
  return [
    anyFrame(scene),
    asRequest(scene),
    tgsRequest(scene),
    tgsCaveat(scene),
    await tgtInside(scene),
    handshake,
  ]
}
