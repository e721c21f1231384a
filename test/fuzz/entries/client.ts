import { createHash } from 'node:crypto'
import { Administration } from '../../../client/administration.js'
import { connectOver } from '../../../client/connect.js'
import { openResponse } from '../../../client/http-response.js'
import { openKdcChannel } from '../../../client/kdc-channel.js'
import { passwordIdentity } from '../../../client/password.js'
import { importTicket, requirePresentable } from '../../../client/ticket-source.js'
import { createMac, deriveAuthKey, deriveChannelKey, expand } from '../../../shared/crypto/derive.js'
import { AuthKey, LongTermKey } from '../../../shared/crypto/keys.js'
import { seal, sealCounted } from '../../../shared/crypto/seal.js'
import { LOCAL_CODES, WIRE_CODES } from '../../../shared/errors.js'
import { formatKeytab } from '../../../shared/keytab.js'
import { parsePrincipal } from '../../../shared/principal.js'
import {
  encodeAddedPrincipal,
  encodePolicyRule,
  encodePrincipalSummary,
} from '../../../shared/protocol/admin.js'
import { createApAccept, createApReply, createApRequest } from '../../../shared/protocol/ap.js'
import { TYPE } from '../../../shared/protocol/constants.js'
import { decode, encode, type Value } from '../../../shared/protocol/encoding.js'
import { createError } from '../../../shared/protocol/error.js'
import { encodeReply } from '../../../shared/protocol/grant.js'
import { formatChallenge, formatMessageHeader, responseBinding } from '../../../shared/protocol/http.js'
import { decodeAnswer, encodeAnswer, resultsOf } from '../../../shared/protocol/kdc-service.js'
import { header } from '../../../shared/protocol/message.js'
import { createParamsReply } from '../../../shared/protocol/params.js'
import { decodeTicket, openTicket } from '../../../shared/protocol/ticket.js'
import { FakeKdc, KDC, KRBTGT, ORDERS, WEB } from '../../client/fake-kdc.js'
import { FakeTime, settle } from '../../client/fake-time.js'
import { ruleOf } from '../../kdc/realm.js'
import { fixedRandom, hex, vectors } from '../../vectors.js'
import { asyncOutcomeOf, type Entry, latin1, type Measure, ofText, outcomeOf, refusalOf } from '../entry.js'
import { join } from '../mutate.js'
import { steadyRandom } from '../random.js'
import { caveatsIn } from './kdc.js'
import { messageSeeds } from './messages.js'

/** Answers to a client, of a KDC and of a service: bytes as they come, and what is behind the seal of either. */

const CODES = [...WIRE_CODES, ...LOCAL_CODES]
const SEAL_NONCE = new Uint8Array(24).fill(51)

/** A KDC whose keys are the same in each run, and whose answers an entry puts something in the place of. */
class ClientScene {
  readonly time = new FakeTime()
  readonly kdc = new FakeKdc(this.time)
  readonly #keytab: { readonly text: string }

  constructor() {
    for (const [i, name] of [WEB, ORDERS, KRBTGT, KDC].entries()) {
      this.kdc.keys.set(name, new LongTermKey(new Uint8Array(32).fill(60 + i)))
    }
    this.#keytab = { text: formatKeytab([{ principal: WEB, kvno: 1, key: this.kdc.keyOf(WEB) }]) }
  }

  connect() {
    return connectOver((...args) => this.kdc.openSocket(...args), {
      kdc: 'ws://127.0.0.1:8750',
      clock: this.time,
      timers: this.time,
      random: steadyRandom(3),
      keytab: this.#keytab,
    })
  }

  /** What came of asking for a ticket; time passes while nothing else happens. */
  async ask(measure: Measure): Promise<string> {
    const realm = await this.connect()
    try {
      const asking = measure(() => realm.getServiceTicket('orders'))
      return await asyncOutcomeOf(() => this.patient(asking), CODES)
    } finally {
      realm.close()
      this.kdc.asked.length = 0
    }
  }

  async patient<T>(waiting: Promise<T>): Promise<T> {
    let isDone = false
    const done = waiting.finally(() => {
      isDone = true
    })
    done.catch(() => {})
    for (let i = 0; i < 40 && !isDone; i++) {
      await settle()
      if (!isDone && i > 2) await this.time.advance(10_000)
    }
    if (!isDone) throw new Error('nothing came of it in 400 s')
    return done
  }
}

function anyAnswer(scene: ClientScene): Entry {
  return {
    name: "client: a KDC's answer as it comes",
    form: 'message',
    seeds: [createError({ code: 'auth_failed', time: 1, floor: null, message: '' }), ...messageSeeds],
    quick: 60,
    run: (answer, measure) => {
      scene.kdc.intercept = () => answer
      return scene.ask(measure)
    },
  }
}

/** Seeds are what an honest KDC says; times in them are as the scene's clock then stood. */
function replyInside(scene: ClientScene): Entry {
  const { kdc, time } = scene
  const grants = [kdc.grant(WEB, KRBTGT, 36_000_000), kdc.grant(WEB, ORDERS, 3_600_000)]
  const reply = { time: time.now(), grants, denials: [] }
  const denied = {
    ...reply,
    grants: grants.slice(0, 1),
    denials: [{ service: ORDERS, code: 'policy_denied' as const }],
  }
  return {
    name: 'client: inside of an AS-REP',
    form: 'list',
    seeds: [encodeReply(reply), encodeReply(denied)],
    quick: 60,
    run: (plaintext, measure) => {
      kdc.intercept = ({ bytes }) => {
        const aad = join(header(TYPE.AS_REP), sha256Of(bytes))
        const box = seal(kdc.keyOf(WEB), 'as-rep', aad, plaintext, fixedRandom(SEAL_NONCE))
        return join(header(TYPE.AS_REP), box)
      }
      return scene.ask(measure)
    },
  }
}

function sha256Of(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function provedError(scene: ClientScene): Entry {
  const { kdc, time } = scene
  return {
    name: 'client: a proved ERROR of a KDC',
    form: 'list',
    seeds: [
      encode(['principal_disabled', time.now(), null, '']),
      encode(['clock_skew', time.now() + 500_000, null, '']),
      encode(['caveat_failed', 0, 5, 'caveat of unknown form']),
    ],
    quick: 60,
    run: (body, measure) => {
      kdc.intercept = ({ bytes }) => {
        const message = join(header(TYPE.ERROR_AUTHENTICATED), body)
        return join(message, createMac(kdc.keyOf(WEB), 'error', message, bytes.subarray(-32)))
      }
      return scene.ask(measure)
    },
  }
}

function frames(scene: ClientScene): Entry {
  const { kdc } = scene
  const id = Uint8Array.of(0, 0, 0, 1)
  return {
    name: 'client: a frame of a KDC',
    form: 'bytes',
    seeds: [
      join(id, createError({ code: 'auth_failed', time: 1, floor: null, message: '' })),
      join(Uint8Array.of(0, 0, 0, 9), messageSeeds[2] as Uint8Array),
      id,
    ],
    quick: 60,
    run: (frame, measure) => {
      kdc.intercept = () => {
        queueMicrotask(() => kdc.sendRaw(frame))
        return undefined
      }
      return scene.ask(measure)
    },
  }
}

const ALICE = parsePrincipal('alice@demo.example')
const SALT = new Uint8Array(16).fill(70)

/** The cache has other parameters for the name, so that no key is ever made of what is taken. */
const parameters: Entry = {
  name: 'client: a PARAMS-REP',
  form: 'message',
  seeds: [
    createParamsReply({ log2N: 17, r: 8, p: 1, salt: SALT }),
    createParamsReply({ log2N: 30, r: 8, p: 1, salt: SALT }),
    createError({ code: 'rate_limited', time: 1, floor: null, message: '' }),
  ],
  run: async (bytes, measure) => {
    let isTaken = false
    const parametersCache = {
      get: () => {
        isTaken = true
        return { log2N: 17, r: 8, p: 1, salt: new Uint8Array(15) }
      },
      set: () => {},
    }
    const exchange = async () => ({ bytes })
    const identity = passwordIdentity({ client: ALICE, password: 'x', parametersCache, exchange })
    const outcome = await asyncOutcomeOf(() => measure(async () => identity.loginKey()), CODES)
    return isTaken ? 'taken' : outcome
  },
}

/** What the KDC answers to an opening, and then says inside the channel. */
function channel(scene: ClientScene): Entry {
  const { kdc } = scene
  const ok = encodeAnswer({ n: 1, results: ['x'] })
  return {
    name: 'client: inside of a record of a KDC',
    form: 'bytes',
    seeds: [
      join(Uint8Array.of(0), ok),
      join(Uint8Array.of(2), ok.subarray(0, 3)),
      Uint8Array.of(1),
      join(Uint8Array.of(0), encodeAnswer({ n: 1, code: 'malformed', message: 'no' })),
    ],
    quick: 40,
    run: async (plaintext, measure) => {
      kdc.intercept = (_, honest) => honest()
      kdc.accept = honestAccept(scene, (key, sequence) => {
        const sending = expand(key, 'service-to-client')
        const aad = header(TYPE.RECORD)
        return join(aad, sealCounted(sending, sequence, aad, plaintext))
      })
      const realm = await scene.connect()
      try {
        return await asyncOutcomeOf(async () => {
          const opened = await scene.patient(openKdcChannel(realm))
          await measure(() => scene.patient(opened.call('show', ['x'])))
          opened.close()
        }, CODES)
      } finally {
        realm.close()
      }
    },
  }
}

/** Answers an opening as it should be, and the call after it with a record that an entry makes. */
function honestAccept(
  scene: ClientScene,
  recordOf: (key: ReturnType<typeof deriveChannelKey>, sequence: number) => Uint8Array,
): FakeKdc['accept'] {
  const { kdc } = scene
  return bytes => {
    const [ticket] = decode(bytes.subarray(2, -32))
    const sealed = decodeTicket(ticket as Uint8Array)
    const key = deriveAuthKey(openTicket(sealed, kdc.keyOf(KDC)).key, caveatsIn(bytes.subarray(2, -32)))
    const reply = createApAccept(key, bytes.subarray(-32), { time: scene.time.now(), nonce: SALT })
    const record = recordOf(deriveChannelKey(key, bytes, reply), 0)
    // Behind the answer to the opening, and behind the call.
    setImmediate(() => setImmediate(() => kdc.sendRaw(join(Uint8Array.of(0, 0, 0, 2), record))))
    return { reply }
  }
}

async function allOf(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of rows);
}

function administration(): Entry {
  const rule = encodePolicyRule(ruleOf('web', 'orders', { claims: [['a', ['b']]], paths: ['/x'] }))
  const summary = encodePrincipalSummary({
    principal: WEB,
    kvnos: [2, 1],
    passwordBased: false,
    disabled: true,
    expiresAt: null,
    maxLife: 1,
    maxRenew: null,
    createdAt: 5,
    changedAt: 6,
  })
  const answer = (...results: Value[]) => encodeAnswer({ n: 1, results })
  return {
    name: 'client: the results of administration',
    form: 'list',
    seeds: [
      answer(summary),
      answer([summary, summary]),
      answer([rule]),
      answer(...encodeAddedPrincipal({ kvno: 1, key: new LongTermKey(new Uint8Array(32)) })),
      encodeAnswer({ n: 1, code: 'not_authorized', message: 'no' }),
    ],
    run: async (bytes, measure) => {
      const NEW = { principal: WEB, password: null, expiresAt: null, maxLife: null, maxRenew: null }
      const of = () => {
        let isFirst = true
        return new Administration({
          call: async () => {
            if (!isFirst) return [[]]
            isFirst = false
            return resultsOf(decodeAnswer(bytes))
          },
        })
      }
      const deeds: (() => Promise<unknown>)[] = [
        () => of().show(WEB),
        () => of().add(NEW),
        () => allOf(of().list()),
        () => allOf(of().policy()),
      ]
      const said: string[] = []
      for (const deed of deeds) said.push(await asyncOutcomeOf(() => measure(deed), CODES))
      return said.join(' ')
    },
  }
}

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
const AWAITED = { method: 'GET', url: new URL('http://orders.test/x'), span: { sentAt: 0, receivedAt: 1 } }

async function responseOutcome(response: Response, measure: Measure): Promise<string> {
  const awaited = { ...AWAITED, presented, maxBytes: 64 * 1024 }
  try {
    const opened = await measure(() => openResponse(response, awaited))
    return 'error' in opened ? `error ${opened.error.code}` : `proved ${opened.response.status}`
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

const PROOF = `authentication-info: ${formatMessageHeader(
  createApReply(authKey, apRequest.mac, {
    time: 5,
    binding: responseBinding(200, [['content-type', 'a']], Uint8Array.of(1)),
  }),
)}`

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
    // What a pattern that looks for white space at the end would look at again from each space.
    `200\n${PROOF}\ncontent-type: a${' '.repeat(15_000)}b`,
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
    return response === undefined ? 'cannot be' : responseOutcome(response, measure)
  },
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

export function clientEntries(): Entry[] {
  const scene = new ClientScene()
  return [
    anyAnswer(scene),
    replyInside(scene),
    provedError(scene),
    frames(scene),
    parameters,
    channel(scene),
    administration(),
    responseHeaders,
    responseProof,
    imported,
  ]
}
