import { passwordIdentity } from '../../../client/login/password.js'
import { TYPE } from '../../../shared/constants.js'
import { createMac } from '../../../shared/crypto/derive.js'
import { seal } from '../../../shared/crypto/seal.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { createError } from '../../../shared/encoding/error.js'
import { header } from '../../../shared/encoding/message.js'
import { createParamsReply } from '../../../shared/exchange/params.js'
import { encodeReply, type Reply } from '../../../shared/exchange/reply.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { KRBTGT, ORDERS, WEB } from '../../client/fake-kdc.js'
import { fixedRandom } from '../../vectors.js'
import { asyncOutcomeOf, type Entry } from '../entry.js'
import { join } from '../mutate.js'
import { answerOfService, channelOfService } from './channels.js'
import { administration, channel } from './client-channel.js'
import { responseEntries } from './client-responses.js'
import { ClientScene, CODES, SALT, sha256Of } from './client-scene.js'
import { messageSeeds } from './messages.js'

/** Answers to a client, of a KDC: bytes as they come, and what is behind their seal. */

const SEAL_NONCE = new Uint8Array(24).fill(51)

/** An AS-REP under the client's key to the request with these bytes. */
function asReplyTo({ kdc }: ClientScene, request: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const aad = join(header(TYPE.AS_REP), sha256Of(request))
  return join(header(TYPE.AS_REP), seal(kdc.keyOf(WEB), 'as-rep', aad, plaintext, fixedRandom(SEAL_NONCE)))
}

/** What an honest KDC says; times in it are as the scene's clock now stands. */
function honestReply({ kdc, time }: ClientScene): Reply {
  const grants = [kdc.grant(WEB, KRBTGT, 36_000_000), kdc.grant(WEB, ORDERS, 3_600_000)]
  return { time: time.now(), grants, denials: [] }
}

/** As near to a good answer as it comes: all of it is right, but that it answers another request. */
function answerToAnother(scene: ClientScene): Uint8Array {
  return asReplyTo(scene, Uint8Array.of(1), encodeReply(honestReply(scene)))
}

/** Whoever makes such an answer has no key of a KDC. */
function requireRefused(outcome: string): string {
  if (outcome === 'taken') throw new Error('a ticket was taken from what no KDC answered')
  return outcome
}

function anyAnswer(scene: ClientScene): Entry {
  return {
    name: "client: a KDC's answer as it comes",
    form: 'message',
    seeds: [
      createError({ code: 'auth_failed', time: 1, floor: null, message: '' }),
      ...messageSeeds,
      answerToAnother(scene),
    ],
    quick: 30,
    run: async (answer, measure) => {
      scene.kdc.intercept = () => answer
      return requireRefused(await scene.ask(measure))
    },
  }
}

function replyInside(scene: ClientScene): Entry {
  const reply = honestReply(scene)
  const denied = {
    ...reply,
    grants: reply.grants.slice(0, 1),
    denials: [{ service: ORDERS, code: 'policy_denied' as const }],
  }
  return {
    name: 'client: inside of an AS-REP',
    form: 'list',
    // Each a copy: one encoding overwrites the other.
    seeds: [reply, denied].map(each => encodeReply(each).slice()),
    quick: 30,
    run: (plaintext, measure) => {
      scene.kdc.intercept = ({ bytes }) => asReplyTo(scene, bytes, plaintext)
      return scene.ask(measure)
    },
  }
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
      encode(['revoked', 0, null, 'invitation used 2027-01-15T08:00:00.000Z from 192.0.2.1']),
    ],
    quick: 30,
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
      join(id, answerToAnother(scene)),
      id,
    ],
    quick: 30,
    run: async (frame, measure) => {
      kdc.intercept = () => {
        queueMicrotask(() => kdc.sendRaw(frame))
        return undefined
      }
      return requireRefused(await scene.ask(measure))
    },
  }
}

const ALICE = parsePrincipal('alice@demo.example')

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
    const exchange = async () => ({ bytes, kdc: 'ws://127.0.0.1:8750' })
    const identity = passwordIdentity({ client: ALICE, password: 'x', parametersCache, exchange })
    const outcome = await asyncOutcomeOf(() => measure(async () => identity.loginKey()), CODES)
    return isTaken ? 'taken' : outcome
  },
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
    channelOfService(scene, 'small'),
    channelOfService(scene, 'large'),
    answerOfService(scene),
    ...responseEntries,
  ]
}
