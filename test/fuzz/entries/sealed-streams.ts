import { openDownload } from '../../../client/request/sealed-download.js'
import { type StreamBasis, StreamOpener } from '../../../shared/channel/sealed-stream.js'
import { TYPE } from '../../../shared/constants.js'
import { deriveAuthKey, deriveChannelKey, expand } from '../../../shared/crypto/derive.js'
import { SessionKey } from '../../../shared/crypto/keys.js'
import { header } from '../../../shared/encoding/message.js'
import { TestClock } from '../../support/clock.js'
import { sealCounted } from '../../support/sealed.js'
import { hex, vectors } from '../../vectors.js'
import { asyncOutcomeOf, type Entry, FRAME_MOST, type Measure, outcomeOf } from '../entry.js'
import { join } from '../mutate.js'

/** Sealed bodies: the bytes as they come, and what stands behind the tag of a record. */

type Records = readonly (readonly [kind: number, payload: string])[]

const stream = vectors<{
  sessionKey: string
  request: { apReq: string; salt: string; records: Records; body: string }
  response: { apRep: string; records: Records; body: string }
  brokenRequestBodies: { body: string }[]
}>('stream')

const key = deriveAuthKey(new SessionKey(hex(stream.sessionKey)), [])
const REQUEST: StreamBasis = { key, direction: 'client-to-service', messages: [hex(stream.request.apReq)] }
const SALT = hex(stream.request.salt)

/** Whatever an attacker makes of the body, what is handed on is how the genuine one begins. */
const GENUINE = Buffer.from(stream.request.records.map(([, payload]) => payload).join(''), 'hex')

/** @returns what was handed on, and what it came to */
function take(bytes: Uint8Array, cut: number, measure: Measure): { handedOn: Buffer; outcome: string } {
  const opener = new StreamOpener(REQUEST)
  const payloads: Uint8Array[] = []
  const keep = (payload: Uint8Array): void => void payloads.push(payload)
  const outcome = outcomeOf(() => {
    measure(() => opener.open(bytes.subarray(0, cut), keep))
    measure(() => opener.open(bytes.subarray(cut), keep))
    opener.requireEnded()
  }, ['channel_broken'])
  return { handedOn: Buffer.concat(payloads), outcome }
}

const body: Entry = {
  name: 'sealed body as it comes',
  form: 'bytes',
  seeds: [
    stream.request.body,
    stream.response.body,
    ...stream.brokenRequestBodies.map(broken => broken.body),
  ].map(hex),
  most: FRAME_MOST,
  run: (bytes, measure) => {
    const whole = take(bytes, bytes.length, measure)
    const cut = take(bytes, (bytes.at(-1) ?? 0) % (bytes.length + 1), measure)
    if (whole.outcome !== cut.outcome || !whole.handedOn.equals(cut.handedOn)) {
      throw new Error('what comes of a body depends on how it is cut')
    }
    if (!GENUINE.subarray(0, whole.handedOn.length).equals(whole.handedOn)) {
      throw new Error(`what nobody sealed was handed on: ${whole.handedOn.toString('hex')}`)
    }
    if (whole.outcome === 'taken' && !whole.handedOn.equals(GENUINE)) throw new Error('a cut body was taken')
    return whole.outcome
  },
}

const AAD = header(TYPE.RECORD)
const recordKey = expand(deriveChannelKey(key, ...REQUEST.messages, SALT), REQUEST.direction)

function frame(plaintext: Uint8Array): Uint8Array {
  const record = join(AAD, sealCounted(recordKey, 0, AAD, plaintext))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, record.length)
  return join(length, record)
}

const inside: Entry = {
  name: 'inside of a record of a sealed body',
  form: 'bytes',
  seeds: ['00616263', '01', '00', '0161', '0261', '03', ''].map(hex),
  most: FRAME_MOST,
  run: (plaintext, measure) => {
    const { handedOn, outcome } = take(join(SALT, frame(plaintext)), 7, measure)
    const isData = plaintext[0] === 0 && plaintext.length <= 65_518
    if (!handedOn.equals(isData ? plaintext.subarray(1) : new Uint8Array())) {
      throw new Error('what was handed on is not the payload')
    }
    if ((outcome === 'taken') !== (plaintext.length === 1 && plaintext[0] === 1)) {
      throw new Error(`taken for an end: ${outcome}`)
    }
    return outcome
  },
}

const RESPONSE: StreamBasis = {
  key,
  direction: 'service-to-client',
  messages: [hex(stream.request.apReq), hex(stream.response.apRep)],
}
const ANSWERED = Buffer.from(stream.response.records.map(([, payload]) => payload).join(''), 'hex')
const LIFE = { clock: new TestClock(), signal: new AbortController().signal, onOver: () => {} }

/** What a client reads of it, and what it came to. */
async function download(bytes: Uint8Array, measure: Measure): Promise<string> {
  const body = new ReadableStream<Uint8Array>({
    start: controller => {
      controller.enqueue(bytes)
      controller.close()
    },
  })
  const opener = new StreamOpener(RESPONSE)
  const pieces: Uint8Array[] = []
  const outcome = await asyncOutcomeOf(async () => {
    const opened = measure(() => openDownload({ ...LIFE, timers: LIFE.clock, body, opener }))
    for await (const piece of opened as unknown as AsyncIterable<Uint8Array>) pieces.push(piece)
  }, ['channel_broken'])
  const read = Buffer.concat(pieces)
  if (!ANSWERED.subarray(0, read.length).equals(read)) throw new Error('what nobody sealed was read')
  if (outcome === 'taken' && !read.equals(ANSWERED)) throw new Error('a cut response was taken for whole')
  return outcome
}

const response: Entry = {
  name: 'client: a sealed response',
  form: 'bytes',
  floor: 512 * 1024,
  seeds: [stream.response.body, stream.request.body].map(hex),
  most: FRAME_MOST,
  run: download,
}

export const sealedStreamEntries: readonly Entry[] = [body, inside, response]
