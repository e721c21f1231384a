import { openResponse } from '../../../client/request/http-response.js'
import { importTicket, requirePresentable } from '../../../client/ticket/imported-ticket.js'
import { toBase64url } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import { createMac } from '../../../shared/crypto/derive.js'
import { AuthKey } from '../../../shared/crypto/keys.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { createAuthenticatedError, createError } from '../../../shared/encoding/error.js'
import { header } from '../../../shared/encoding/message.js'
import { createApReply, createApRequest } from '../../../shared/exchange/ap.js'
import { responseBinding } from '../../../shared/http/binding.js'
import { COVERED_RESPONSE_HEADERS, FURTHER_HEADER, SET_COOKIE } from '../../../shared/http/header-names.js'
import { formatChallenge, formatMessageHeader } from '../../../shared/http/headers.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { decodeTicket } from '../../../shared/ticket/ticket.js'
import { ORDERS } from '../../client/fake-kdc.js'
import { hex, vectors } from '../../vectors.js'
import { type Entry, latin1, type Measure, nearly, ofText, outcomeOf, refusalOf } from '../entry.js'
import { join } from '../mutate.js'
import { SALT, sha256Of } from './client-scene.js'
import { messageSeeds } from './messages.js'

/** What a service answers to a client, and credentials that it imports. */

const authKey = new AuthKey(new Uint8Array(32).fill(80))
const ticket = decodeTicket(messageSeeds.find(message => message[1] === TYPE.TICKET) as Uint8Array)
const apRequest = createApRequest(TYPE.AP_REQ, authKey, {
  ...{
    ticket,
    caveats: [],
    time: 1_790_000_000_000,
    nonce: SALT,
    binding: new Uint8Array(32),
    delegated: null,
  },
})
const presented = {
  ...{ service: ORDERS, own: undefined, key: authKey, request: apRequest },
  ...{ binding: new Uint8Array(32), headers: [] },
}
const AWAITED = {
  method: 'GET',
  url: new URL('http://orders.test/x'),
  span: { sentAt: 0, receivedAt: 1, wallAhead: 0 },
}

async function responseOutcome(response: Response, measure: Measure): Promise<string> {
  const awaited = { ...AWAITED, presented, maxBytes: 64 * 1024 }
  try {
    const opened = await measure(() => openResponse(response, awaited))
    if (!('error' in opened)) return `proved ${opened.response.status}`
    return `${opened.error.authenticated ? 'proved error' : 'error'} ${opened.error.code}`
  } catch (cause) {
    return refusalOf(cause, ['response_unproved', 'too_large'])
  }
}

/** A response that the platform cannot make does not come from it either. */
function made(body: Uint8Array | null, init: () => ResponseInit): Response | undefined {
  try {
    return new Response(body === null ? null : new Uint8Array(body), init())
  } catch {
    return undefined
  }
}

const reply = createApReply(authKey, apRequest.mac, {
  time: 5,
  binding: responseBinding(200, [['content-type', 'a']], Uint8Array.of(1)),
})
const further = createApReply(authKey, apRequest.mac, {
  time: 5,
  binding: responseBinding(
    200,
    [
      ['orthrus-covered', 'etag, set-cookie'],
      ['set-cookie', 'a'],
      ['set-cookie', 'b'],
    ],
    Uint8Array.of(1),
  ),
})
const FURTHER = [
  `authentication-info: ${formatMessageHeader(further)}`,
  'orthrus-covered: etag, set-cookie',
  'set-cookie: a',
  'set-cookie: b',
]
const PROOF = `authentication-info: ${formatMessageHeader(reply)}`
const replay = createAuthenticatedError(authKey, apRequest.mac, {
  code: 'replay',
  time: 1,
  floor: null,
  message: '',
})

const PROVED = [['content-type: a', PROOF], FURTHER].map(lines =>
  coveredOf(new Response(null, { headers: lines.map(line => line.split(': ') as [string, string]) })),
)

const responseHeaders: Entry = {
  name: 'client: headers of a response',
  form: 'text',
  seeds: ofText(
    `401\nwww-authenticate: ${formatChallenge({
      realm: 'demo.example' as never,
      code: 'auth_failed',
      error: createError({ code: 'auth_failed', time: 1, floor: null, message: 'x' }),
    })}`,
    `200\n${PROOF}\ncontent-type: a`,
    `200\n${FURTHER.join('\n')}`,
    `200\n${PROOF.replace(': ', ': O ')}\ncontent-type: a`,
    // What a pattern that looks for white space at the end would look at again from each space.
    `200\n${PROOF}\ncontent-type: a${' '.repeat(15_000)}b`,
    `200\nauthentication-info: ${formatMessageHeader(nearly(reply))}\ncontent-type: a`,
    `401\nwww-authenticate: ${formatChallenge({
      realm: 'demo.example' as never,
      code: 'replay',
      error: nearly(replay),
    })}`,
    '302\nlocation: http://x/\ncontent-encoding: gzip\nauthentication-info: Orthrus AAAA',
  ),
  // The platform's own `Response` and streams.
  floor: 512 * 1024,
  run: async (input, measure) => {
    const [status, ...lines] = latin1(input).split('\n')
    const pairs = lines.map((line): [string, string] => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)]
    })
    const body = ['204', '205', '304'].includes(status ?? '') ? null : Uint8Array.of(1)
    const response = made(body, () => ({ status: Number(status), headers: new Headers(pairs) }))
    if (response === undefined) return 'cannot be'
    const outcome = await responseOutcome(response, measure)
    if (!outcome.startsWith('proved')) return outcome
    // Changes may lead back to the genuine response.
    const [seen, genuine] = outcome.startsWith('proved error')
      ? [errorIn(response), [Buffer.from(replay).toString('base64url')]]
      : [coveredOf(response), PROVED]
    if (seen === undefined || !genuine.includes(seen)) {
      throw new Error(`what nobody proved was taken for ${outcome}: ${seen}`)
    }
    return outcome
  },
}

/**
 * What a proof covers of a response with the same body, and the proof. Spaces, the case of the scheme, and what others
 * have put around it in the list are not.
 */
function coveredOf({ status, headers }: Response): string {
  const fields = COVERED_RESPONSE_HEADERS.map(name => headers.get(name))
  const words = (headers.get('authentication-info') ?? '').split(/[\s,]+/)
  const message = words.find(word => [reply, further].map(toBase64url).includes(word))
  const list = headers.get(FURTHER_HEADER)
  const values = (list?.split(', ') ?? []).map(name => {
    return name === SET_COOKIE ? headers.getSetCookie() : headers.get(name)
  })
  return JSON.stringify([status, message, fields, list, values])
}

/** Only the ERROR of a refusal is proved. */
function errorIn({ headers }: Response): string | undefined {
  const messages = (headers.get('www-authenticate') ?? '').matchAll(/message="([^"]*)"/gi)
  return [...messages].map(([, message]) => message).find(message => message === toBase64url(replay))
}

const responseProof: Entry = {
  name: 'client: an AP-REP or ERROR whose MAC holds',
  form: 'list',
  floor: 512 * 1024,
  seeds: [
    encode([1_790_000_000_000, responseBinding(200, [], Uint8Array.of(1))]),
    encode(['clock_skew', 1_790_000_000_000, 1_790_000_006_000, '']),
    encode(['replay', 5, null, 'caveat expires']),
  ],
  run: async (body, measure) => {
    const proved = (
      type: typeof TYPE.AP_REP | typeof TYPE.ERROR_AUTHENTICATED,
      usage: 'ap-rep' | 'error',
    ) => {
      const message = join(header(type), body)
      return join(message, createMac(authKey, usage, message, apRequest.mac))
    }
    const reply = formatMessageHeader(proved(TYPE.AP_REP, 'ap-rep'))
    const error = proved(TYPE.ERROR_AUTHENTICATED, 'error')
    const challenge = formatChallenge({ realm: 'demo.example' as never, code: 'replay', error })
    const responses = [
      new Response(Uint8Array.of(1), { headers: { 'authentication-info': reply } }),
      new Response('', { status: 401, headers: { 'www-authenticate': challenge } }),
    ]
    const said: string[] = []
    for (const response of responses) said.push(await responseOutcome(response, measure))
    return said.join(' ')
  },
}

/** The holder that the vector names. */
const HOLDER = parsePrincipal('billing@demo.example')

const texts = vectors<{ credential: { text: string; bad: string[] }; handOff: { array: string } }>('texts')

const imported: Entry = {
  name: 'client: a credential to be imported',
  form: 'list',
  seeds: [hex(texts.handOff.array)],
  run: (array, measure) =>
    outcomeOf(() => {
      const check = sha256Of(array).subarray(0, 4)
      const text = `orthrus1_${Buffer.from(join(array, check)).toString('base64url')}`
      const ticket = measure(() => importTicket(text, () => 0, false))
      measure(() => requirePresentable(ticket, HOLDER))
    }, ['credential_invalid']),
}

export const responseEntries: readonly Entry[] = [responseHeaders, responseProof, imported]
