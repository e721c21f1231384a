import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { AuthKey, LongTermKey, revealKey, SessionKey } from '../../../shared/crypto/keys.js'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import { createAuthenticatedError, createError, openError } from '../../../shared/encoding/error.js'
import type { WireCode } from '../../../shared/errors.js'
import {
  createApReply,
  createApRequest,
  decodeApRequest,
  openApReply,
  verifyApRequest,
} from '../../../shared/exchange/ap.js'
import {
  createAsReply,
  createAsRequest,
  decodeAsRequest,
  openAsReply,
  verifyAsRequest,
} from '../../../shared/exchange/as.js'
import {
  createParamsReply,
  createParamsRequest,
  decodeParamsReply,
  decodeParamsRequest,
} from '../../../shared/exchange/params.js'
import { encodeReply, requireAnswers } from '../../../shared/exchange/reply.js'
import {
  createTgsReply,
  createTgsRequest,
  decodeTgsRequest,
  openTgsReply,
  verifyTgsRequest,
} from '../../../shared/exchange/tgs.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { fixedRandom, fromJson, hex, type Json, vectors } from '../../vectors.js'

const web = parsePrincipal('web@demo.example')

interface Message {
  body: Json[]
  bytes: string
}

const v = vectors<{
  asReq: Message & { clientKey: string }
  asRep: { clientKey: string; request: string; nonce: string; plaintext: Json[]; bytes: string }
  tgsReq: Message & { sessionKey: string }
  tgsRep: {
    sessionKey: string
    caveats: string[]
    request: string
    nonce: string
    plaintext: Json[]
    bytes: string
  }
  errors: {
    key: string | null
    answers: string | null
    body: [WireCode, number, number | null, string]
    bytes: string
  }[]
  apReq: (Message & { sessionKey: string; delegatedSessionKey?: string; authKey: string })[]
  apRep: (Message & { authKey: string; answers: string })[]
  malformed: { why: string; clientKey: string; bytes: string }[]
  params: { request: Message; reply: Message }
}>('exchanges')

const clientKey = new LongTermKey(hex(v.asReq.clientKey))
const macOf = (bytes: string) => hex(bytes).subarray(-32)

describe('exchange vectors', () => {
  it('AS-REQ', () => {
    const request = verifyAsRequest(decodeAsRequest(hex(v.asReq.bytes)), clientKey)
    const { client, kvno, time, nonce, services, lifetime, renewable } = request
    expect([client, kvno, time, nonce, services, lifetime, renewable ? 1 : 0]).toEqual(fromJson(v.asReq.body))
    expect(toHex(createAsRequest(clientKey, request).bytes)).toBe(v.asReq.bytes)
  })

  it('AS-REP', () => {
    const request = verifyAsRequest(decodeAsRequest(hex(v.asRep.request)), clientKey)
    const reply = openAsReply(clientKey, request, hex(v.asRep.bytes))
    expect(toHex(encodeReply(reply))).toBe(toHex(encode(fromJson(v.asRep.plaintext) as Value[])))
    expect(toHex(createAsReply(clientKey, request, reply, fixedRandom(hex(v.asRep.nonce))))).toBe(
      v.asRep.bytes,
    )
  })

  it('TGS-REQ and TGS-REP', () => {
    const key = deriveAuthKey(new SessionKey(hex(v.tgsRep.sessionKey)), v.tgsRep.caveats.map(hex))
    const request = verifyTgsRequest(decodeTgsRequest(hex(v.tgsReq.bytes)), key)
    expect(toHex(createTgsRequest(key, request.tgt, request).bytes)).toBe(v.tgsReq.bytes)
    const reply = openTgsReply(key, request, hex(v.tgsRep.bytes))
    expect(toHex(encodeReply(reply))).toBe(toHex(encode(fromJson(v.tgsRep.plaintext) as Value[])))
    expect(toHex(createTgsReply(key, request, reply, fixedRandom(hex(v.tgsRep.nonce))))).toBe(v.tgsRep.bytes)
  })

  it.each(v.errors.map((vector, i) => [i, vector] as const))(
    'ERROR %i',
    (_, { key, answers, body, bytes }) => {
      const [code, time, floor, message] = body
      const content = { code, time, floor, message }
      if (key === null || answers === null) {
        expect(toHex(createError(content))).toBe(bytes)
        expect(openError(hex(bytes), clientKey, hex('00'))).toEqual({ ...content, authenticated: false })
      } else {
        const authKey = new AuthKey(hex(key))
        expect(toHex(createAuthenticatedError(authKey, macOf(answers), content))).toBe(bytes)
        expect(openError(hex(bytes), authKey, macOf(answers))).toEqual({ ...content, authenticated: true })
        expect(() => openError(hex(bytes), authKey, macOf(v.asReq.bytes.replace(/..$/, '00')))).toThrow(
          /auth_failed/,
        )
      }
    },
  )

  it.each(v.apReq.map((vector, i) => [i, vector] as const))('AP-REQ %i', (_, { authKey, bytes, body }) => {
    const key = new AuthKey(hex(authKey))
    const request = decodeApRequest(TYPE.AP_REQ, hex(bytes))
    expect(verifyApRequest(request, key, web)).toBe(request)
    expect(request.nonce).toEqual((fromJson(body) as Value[])[3])
    expect(toHex(createApRequest(TYPE.AP_REQ, key, request).bytes)).toBe(bytes)
  })

  it('AP-REQ keys come from the session keys', () => {
    for (const { sessionKey, delegatedSessionKey, authKey, bytes } of v.apReq) {
      if (delegatedSessionKey !== undefined) continue
      const { caveats } = decodeApRequest(TYPE.AP_REQ, hex(bytes))
      expect(toHex(revealKey(deriveAuthKey(new SessionKey(hex(sessionKey)), caveats)))).toBe(authKey)
    }
  })

  it.each(v.apRep)('AP-REP', ({ authKey, answers, body, bytes }) => {
    const key = new AuthKey(hex(authKey))
    const [time, binding] = fromJson(body) as [number, Uint8Array]
    expect(toHex(createApReply(key, macOf(answers), { time, binding }))).toBe(bytes)
    expect(openApReply(key, macOf(answers), hex(bytes))).toEqual({ time, binding })
    const other = macOf(v.asReq.bytes)
    expect(() => openApReply(key, other, hex(bytes))).toThrow(
      expect.objectContaining({ code: 'response_unproved' }),
    )
  })

  it.each(v.malformed.map(vector => [vector.why, vector.bytes]))('malformed: %s', (_, bytes) => {
    expect(() => decodeAsRequest(hex(bytes as string))).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    )
  })

  it('PARAMS', () => {
    const { request, reply } = v.params
    expect(decodeParamsRequest(hex(request.bytes))).toBe(request.body[0])
    expect(toHex(createParamsRequest(parsePrincipal(request.body[0] as string)))).toBe(request.bytes)
    const parameters = decodeParamsReply(hex(reply.bytes))
    expect(toHex(createParamsReply(parameters))).toBe(reply.bytes)
    expect(['scrypt', parameters.log2N, parameters.r, parameters.p, parameters.salt]).toEqual(
      fromJson(reply.body),
    )
  })
})

describe('a reply', () => {
  const request = decodeAsRequest(hex(v.asRep.request))
  const whole = openAsReply(clientKey, request, hex(v.asRep.bytes))
  const reply = { ...whole, denials: [] }
  const asked = { ...request, withTgt: true }

  it('answers what was asked', () => {
    requireAnswers(reply, asked)
  })

  it.each([
    ['a denial of what was not asked', whole, asked],
    ['tickets in another order', { ...reply, grants: [...reply.grants].reverse() }, asked],
    ['a ticket missing', { ...reply, grants: reply.grants.slice(0, 1) }, asked],
    ['no TGT', { ...reply, grants: reply.grants.slice(1) }, asked],
    ['a TGT nobody asked for', reply, { ...asked, withTgt: false }],
    ['the TGT of another realm', reply, { ...asked, client: parsePrincipal('web/1@other.example') }],
    ['longer tickets than asked for', reply, { ...asked, lifetime: 600_000 }],
    [
      'a ticket for another service than its grant says',
      {
        ...reply,
        grants: reply.grants.map(grant => ({ ...grant, ticket: reply.grants[0]?.ticket ?? grant.ticket })),
      },
      asked,
    ],
  ])('is refused: %s', (_, answer, question) => {
    expect(() => requireAnswers(answer, question)).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('of another request does not open', () => {
    const other = createAsRequest(clientKey, { ...request, nonce: new Uint8Array(16) })
    expect(() => openAsReply(clientKey, other, hex(v.asRep.bytes))).toThrow(/auth_failed/)
    const stranger = new LongTermKey(new Uint8Array(32))
    expect(() => openAsReply(stranger, request, hex(v.asRep.bytes))).toThrow(/auth_failed/)
  })
})

describe('every authenticated message', () => {
  const apKey = new AuthKey(hex(v.apReq[0]?.authKey ?? ''))
  const repKey = new AuthKey(hex(v.apRep[0]?.authKey ?? ''))
  const tgsKey = deriveAuthKey(new SessionKey(hex(v.tgsRep.sessionKey)), v.tgsRep.caveats.map(hex))
  const error = v.errors[1]
  const messages: [string, string, (bytes: Uint8Array) => unknown][] = [
    ['AS-REQ', v.asReq.bytes, bytes => verifyAsRequest(decodeAsRequest(bytes), clientKey)],
    ['AS-REP', v.asRep.bytes, bytes => openAsReply(clientKey, decodeAsRequest(hex(v.asRep.request)), bytes)],
    ['TGS-REQ', v.tgsReq.bytes, bytes => verifyTgsRequest(decodeTgsRequest(bytes), tgsKey)],
    [
      'TGS-REP',
      v.tgsRep.bytes,
      bytes => openTgsReply(tgsKey, decodeTgsRequest(hex(v.tgsRep.request)), bytes),
    ],
    [
      'AP-REP',
      v.apRep[0]?.bytes ?? '',
      bytes => openApReply(repKey, macOf(v.apRep[0]?.answers ?? ''), bytes),
    ],
    [
      'ERROR 06',
      error?.bytes ?? '',
      bytes => {
        const opened = openError(bytes, new AuthKey(hex(error?.key ?? '')), macOf(error?.answers ?? ''))
        if (!opened.authenticated) throw new Error('passed as unauthenticated')
      },
    ],
    [
      'AP-REQ',
      v.apReq[0]?.bytes ?? '',
      bytes => {
        verifyApRequest(decodeApRequest(TYPE.AP_REQ, bytes), apKey, web)
      },
    ],
  ]

  it.each(messages)('%s is refused with any byte changed, cut, doubled or appended', (_, text, open) => {
    const bytes = hex(text)
    open(bytes)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = bytes.slice()
        changed[at] = (changed[at] as number) ^ bits
        const doubled = Uint8Array.from([...bytes.subarray(0, at + 1), ...bytes.subarray(at)])
        for (const altered of [changed, bytes.subarray(0, at), doubled, Uint8Array.from([...bytes, bits])]) {
          expect(() => open(altered)).toThrow()
        }
      }),
      { numRuns: 300 },
    )
  })

  it.each(messages)('%s is accepted only as itself', (name, text) => {
    for (const [other, , open] of messages) if (other !== name) expect(() => open(hex(text))).toThrow()
  })
})
