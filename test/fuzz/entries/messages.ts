import {
  decodeAnswer,
  decodeCall,
  decodeFromKdc,
  encodeAnswer,
  encodeCall,
  encodeEvent,
} from '../../../shared/channel/calls.js'
import { TYPE } from '../../../shared/constants.js'
import { AuthKey, LongTermKey } from '../../../shared/crypto/keys.js'
import { seal } from '../../../shared/crypto/seal.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import { codeOfAnswer, isError, openError, openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { decodeMessage, header } from '../../../shared/encoding/message.js'
import { WIRE_CODES } from '../../../shared/errors.js'
import { decodeApRequest, openApAccept, openApReply } from '../../../shared/exchange/ap.js'
import { decodeAsRequest, openAsReply } from '../../../shared/exchange/as.js'
import { decodeParamsReply, decodeParamsRequest } from '../../../shared/exchange/params.js'
import { decodeReply, encodeReply, requireAnswers } from '../../../shared/exchange/reply.js'
import { decodeTgsRequest, openTgsReply } from '../../../shared/exchange/tgs.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { decodeEntry, encodeEntry } from '../../../shared/revocation/entry.js'
import {
  decodeFollow,
  decodeLogState,
  decodeSurvive,
  encodeFollow,
  encodeLogState,
  encodeSurvive,
} from '../../../shared/revocation/feed.js'
import { decodeCaveat, encodeCaveat, requireCaveats } from '../../../shared/ticket/caveats.js'
import { decodeTicket, openTicket, sealTicket } from '../../../shared/ticket/ticket.js'
import { fixedRandom, fromJson, hex, type Json, vectors } from '../../vectors.js'
import { type Entry, outcomeOf, requireSame } from '../entry.js'
import { join } from '../mutate.js'

/** The decoders of what travels, each by itself: bytes as they come, and what stands behind a seal. */

export interface Exchanges {
  asReq: { bytes: string; body: Json[] }
  asRep: { bytes: string; plaintext: Json[]; clientKey: string; request: string }
  tgsReq: { bytes: string; body: Json[] }
  tgsRep: { bytes: string; plaintext: Json[] }
  errors: { bytes: string }[]
  apReq: { bytes: string; authKey: string; body: Json[] }[]
  apRep: { bytes: string }[]
  malformed: { bytes: string }[]
  params: { request: { bytes: string }; reply: { bytes: string } }
}

export const exchanges = vectors<Exchanges>('exchanges')
const channel = vectors<{ apOpen: string; apAccept: string }>('channel')
const encodings = vectors<{ good: { bytes: string }[]; malformed: { bytes: string }[] }>('encoding')
export const tickets = vectors<{
  good: { bytes: string; fields: Json[]; serviceKey: string }[]
  invalid: { bytes: string }[]
}>('tickets')
const acceptVectors = vectors<{ cases: { apReq: string }[] }>('accept')

/** One of each type of message, from the vectors. */
export const messageSeeds: readonly Uint8Array[] = [
  exchanges.asReq.bytes,
  exchanges.tgsReq.bytes,
  exchanges.asRep.bytes,
  exchanges.tgsRep.bytes,
  ...exchanges.errors.map(error => error.bytes),
  ...exchanges.apReq.map(request => request.bytes),
  ...exchanges.apRep.map(reply => reply.bytes),
  exchanges.params.request.bytes,
  exchanges.params.reply.bytes,
  channel.apOpen,
  channel.apAccept,
  ...tickets.good.map(ticket => ticket.bytes),
  ...exchanges.malformed.slice(0, 4).map(message => message.bytes),
].map(hex)

export function listOfJson(list: readonly Json[]): Uint8Array {
  return encode(fromJson(list) as Value[])
}

const KEY = new LongTermKey(new Uint8Array(32).fill(1))
const AUTH = new AuthKey(new Uint8Array(32).fill(2))
const MAC = new Uint8Array(32)

const asRequest = decodeAsRequest(hex(exchanges.asReq.bytes))
const tgsRequest = decodeTgsRequest(hex(exchanges.tgsReq.bytes))

/** Each decoder of whole messages, with what it says for bytes that are none. */
const DECODERS: readonly (readonly [name: string, decode: (bytes: Uint8Array) => unknown])[] = [
  ['as', decodeAsRequest],
  ['tgs', decodeTgsRequest],
  ['ap', bytes => decodeApRequest(TYPE.AP_REQ, bytes)],
  ['ap-open', bytes => decodeApRequest(TYPE.AP_OPEN, bytes)],
  ['ticket', decodeTicket],
  ['params-req', decodeParamsRequest],
  ['params-rep', decodeParamsReply],
  ['is error', isError],
  ['code of an answer', codeOfAnswer],
  ['error', openUnauthenticatedError],
  ['proved error', bytes => openError(bytes, AUTH, MAC)],
  ['as-rep', bytes => openAsReply(KEY, asRequest, bytes)],
  ['tgs-rep', bytes => openTgsReply(AUTH, tgsRequest, bytes)],
  ['ap-rep', bytes => openApReply(AUTH, MAC, bytes)],
  ['ap-accept', bytes => openApAccept(AUTH, MAC, bytes)],
]

const wholeMessages: Entry = {
  name: 'message as it comes',
  form: 'message',
  seeds: [
    ...messageSeeds,
    ...acceptVectors.cases.filter((_, i) => i % 12 === 0).map(({ apReq }) => hex(apReq)),
  ],
  run: (bytes, measure) => {
    const taken = DECODERS.filter(
      ([, decode]) =>
        outcomeOf(() => measure(() => decode(bytes)), [...WIRE_CODES, 'response_unproved']) === 'taken',
    )
    const type = bytes[1]
    // Whatever is a list behind a header is one in its only spelling.
    const list = type !== undefined && outcomeOf(() => sameMessage(bytes), [...WIRE_CODES])
    return [...taken.map(([name]) => name), list].join(' ')
  },
}

function sameMessage(bytes: Uint8Array): void {
  const list = decodeMessage(bytes, bytes[1] as typeof TYPE.ERROR)
  requireSame(join(bytes.subarray(0, 2), encode(list)), bytes)
}

const encoding: Entry = {
  name: 'list of the encoding',
  form: 'list',
  seeds: [
    listOfJson(exchanges.asRep.plaintext),
    ...[...encodings.good, ...encodings.malformed]
      .map(({ bytes }) => hex(bytes))
      .filter(({ length }) => length < 400),
  ],
  run: (bytes, measure) =>
    outcomeOf(() => requireSame(encode(measure(() => decode(bytes))), bytes), ['malformed']),
}

const [firstTicket] = tickets.good
const ticketKey = new LongTermKey(hex(firstTicket?.serviceKey ?? ''))
const sealed = decodeTicket(hex(firstTicket?.bytes ?? ''))
const NONCE = new Uint8Array(24).fill(9)

/** Bytes as they stand behind the seal of a ticket. */
function boxOf(plaintext: Uint8Array): Uint8Array {
  const aad = join(header(TYPE.TICKET), encode([sealed.service, sealed.kvno]))
  return seal(ticketKey, 'ticket', aad, plaintext, fixedRandom(NONCE))
}

const ticketPlaintext: Entry = {
  name: 'inside of a ticket',
  form: 'list',
  seeds: tickets.good.map(({ fields }) => listOfJson(fields)),
  run: (plaintext, measure) =>
    outcomeOf(() => {
      const ticket = { ...sealed, box: boxOf(plaintext) }
      const { service, kvno, opened: _, ...content } = measure(() => openTicket(ticket, ticketKey))
      requireSame(sealTicket(service, kvno, ticketKey, content, fixedRandom(NONCE)).box, ticket.box)
    }, ['ticket_invalid']),
}

const ASKED = {
  client: parsePrincipal('web/1@demo.example'),
  withTgt: true,
  services: [parsePrincipal('orders@demo.example')],
  lifetime: 0,
}

const reply: Entry = {
  name: 'inside of a reply of the KDC',
  form: 'list',
  seeds: [exchanges.asRep, exchanges.tgsRep].map(({ plaintext }) => listOfJson(plaintext)),
  run: (plaintext, measure) =>
    outcomeOf(() => {
      const reply = measure(() => decodeReply(plaintext))
      requireSame(encodeReply(reply), plaintext)
      measure(() => requireAnswers(reply, ASKED))
    }, ['malformed']),
}

const FACTS = {
  now: 1_790_000_000_000,
  service: parsePrincipal('orders@demo.example'),
  method: 'GET',
  target: '/orders/7?x=1',
  holder: parsePrincipal('gate@demo.example'),
  checkers: new Map([['tenant', (value: Value) => value === 'acme']]),
}

export const caveatSeeds: readonly Uint8Array[] = [
  encodeCaveat({ name: 'expires', time: 1_790_000_060_000 }),
  encodeCaveat({ name: 'services', services: [FACTS.service] }),
  encodeCaveat({ name: 'methods', methods: ['GET', 'HEAD'] }),
  encodeCaveat({ name: 'paths', prefixes: ['/orders', '/a/'] }),
  encodeCaveat({ name: 'claims', claims: ['role'] }),
  encodeCaveat({ name: 'holder', holder: FACTS.holder }),
  encodeCaveat({ name: 'app', app: 'tenant', value: 'acme' }),
  encodeCaveat({ name: 'app', app: 'tenant', value: [null, true, [1, ['x']], new Uint8Array(3)] }),
]

const caveat: Entry = {
  name: 'caveat',
  form: 'list',
  seeds: caveatSeeds,
  most: 2048,
  run: (bytes, measure) =>
    outcomeOf(() => {
      const caveat = measure(() => decodeCaveat(bytes))
      requireSame(encodeCaveat(caveat), bytes)
      measure(() => requireCaveats([caveat], FACTS))
    }, ['caveat_failed']),
}

const calls: Entry = {
  name: 'call and answer of the KDC',
  form: 'list',
  seeds: [
    encodeCall({ n: 1, method: 'show', args: ['web@demo.example'] }),
    encodeAnswer({ n: 1, results: ['x', [1, 2]] }),
    encodeAnswer({ n: 2, code: 'policy_denied', message: 'why' }),
  ],
  run: (bytes, measure) =>
    [
      outcomeOf(() => requireSame(encodeCall(measure(() => decodeCall(bytes))), bytes), ['malformed']),
      outcomeOf(() => requireSame(encodeAnswer(measure(() => decodeAnswer(bytes))), bytes), ['malformed']),
    ].join(' '),
}

const saidByKdc: Entry = {
  name: 'answer or event of the KDC',
  form: 'list',
  seeds: [encodeEvent({ name: 'rotate', fields: [] }), encodeAnswer({ n: 1, results: ['x', [1, 2]] })],
  run: (bytes, measure) =>
    outcomeOf(() => {
      const said = measure(() => decodeFromKdc(bytes))
      requireSame('name' in said ? encodeEvent(said) : encodeAnswer(said), bytes)
    }, ['malformed']),
}

const ENTRY = { seq: 7, mark: new Uint8Array(8), principal: null, time: 1, keepUntil: 2 } as const
const LOG_ID = new Uint8Array(16)

const feed: Entry = {
  name: 'feed of revocations',
  form: 'list',
  seeds: [
    encode(encodeEntry({ ...ENTRY, kind: 'client', by: new Uint8Array(8) })),
    encode(encodeEntry({ ...ENTRY, kind: 'ticket', by: new Uint8Array(16) })),
    encode(encodeEntry({ ...ENTRY, principal: parsePrincipal('web@a'), kind: 'key', by: 3 })),
    encode(encodeFollow(null)),
    encode(encodeFollow({ logId: LOG_ID, seq: 7, mark: new Uint8Array(8) })),
    encode(encodeLogState({ logId: LOG_ID, oldest: 1, newest: 0, time: 1 })),
  ],
  run: (bytes, measure) => {
    let list: Value[] = []
    return [
      outcomeOf(() => {
        list = decode(bytes)
      }, ['malformed']),
      outcomeOf(
        () => requireSame(encode(encodeEntry(measure(() => decodeEntry(list)))), bytes),
        ['malformed'],
      ),
      // A position of which a part is missing is read as none.
      outcomeOf(() => void encodeFollow(measure(() => decodeFollow(list))), ['malformed']),
      outcomeOf(
        () => requireSame(encode(encodeLogState(measure(() => decodeLogState(list)))), bytes),
        ['malformed'],
      ),
      outcomeOf(
        () => requireSame(encode(encodeSurvive(measure(() => decodeSurvive(list)))), bytes),
        ['malformed'],
      ),
    ].join(' ')
  },
}

export const messageEntries: readonly Entry[] = [
  wholeMessages,
  encoding,
  ticketPlaintext,
  reply,
  caveat,
  calls,
  saidByKdc,
  feed,
]
