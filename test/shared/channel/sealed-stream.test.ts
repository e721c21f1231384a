import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { PAYLOAD_BYTES } from '../../../shared/channel/record.js'
import { type StreamBasis, StreamOpener, StreamSealer } from '../../../shared/channel/sealed-stream.js'
import { deriveAuthKey, deriveChannelKey, expand } from '../../../shared/crypto/derive.js'
import { SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { fixedRandom, hex, vectors } from '../../vectors.js'

type Records = readonly (readonly [kind: number, payload: string])[]

const v = vectors<{
  sessionKey: string
  request: { apReq: string; salt: string; key: string; records: Records; body: string }
  response: { apRep: string; salt: string; key: string; records: Records; body: string }
  brokenRequestBodies: { why: string; body: string; handedOn: string }[]
}>('stream')

const key = deriveAuthKey(new SessionKey(hex(v.sessionKey)), [])
const REQUEST: StreamBasis = { key, direction: 'client-to-service', messages: [hex(v.request.apReq)] }
const RESPONSE: StreamBasis = {
  key,
  direction: 'service-to-client',
  messages: [hex(v.request.apReq), hex(v.response.apRep)],
}

const SALT_BYTES = 16

const broken = expect.objectContaining({ code: 'channel_broken' })

/** What was handed on, and the error if there was one. */
function openAll(basis: StreamBasis, pieces: readonly Uint8Array[]) {
  const opener = new StreamOpener(basis)
  const payloads: Uint8Array[] = []
  try {
    for (const piece of pieces) opener.open(piece, payload => payloads.push(payload))
    opener.requireEnded()
    return { payloads, cause: undefined, opener }
  } catch (cause) {
    return { payloads, cause, opener }
  }
}

/** Frames for each piece, as a sender writes them. */
function sealAll(basis: StreamBasis, pieces: readonly Uint8Array[]): Uint8Array[] {
  const sealer = new StreamSealer(basis, systemRandom)
  return [sealer.salt, ...pieces.flatMap(piece => sealer.seal(piece)), sealer.sealEnd()]
}

/** Cuts bytes at these places. */
function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...places.map(place => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
}

describe.each([
  ['request', REQUEST, v.request],
  ['response', RESPONSE, v.response],
] as const)('the vector of a %s', (_, basis, { salt, key: streamKey, records, body }) => {
  it('has the key of its stream', () => {
    const derived = expand(deriveChannelKey(key, ...basis.messages, hex(salt)), basis.direction)
    expect(toHex(derived)).toBe(streamKey)
  })

  it('opens, however it is cut', () => {
    const expected = records.map(([, payload]) => payload).filter(payload => payload !== '')
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), places => {
        const { payloads, cause } = openAll(basis, cutAt(hex(body), places))
        expect(cause).toBeUndefined()
        expect(payloads.map(toHex)).toEqual(expected)
      }),
      { numRuns: 50 },
    )
    expect(
      openAll(
        basis,
        Array.from(hex(body), byte => Uint8Array.of(byte)),
      ).payloads.map(toHex),
    ).toEqual(expected)
  })

  it('is what its sender seals, up to the first empty record, which a sender leaves out', () => {
    const sealer = new StreamSealer(basis, fixedRandom(hex(salt)))
    const sealed = [
      sealer.salt,
      ...records.flatMap(([kind, p]) => (kind === 1 ? [sealer.sealEnd()] : sealer.seal(hex(p)))),
    ]
    const empty = records.findIndex(([kind, payload]) => kind === 0 && payload === '')
    const same = empty === -1 ? sealed : sealed.slice(0, 1 + empty)
    expect(same.length).toBeGreaterThan(1)
    expect(body.startsWith(same.map(toHex).join(''))).toBe(true)
    if (empty === -1) expect(sealed.map(toHex).join('')).toBe(body)
  })
})

describe('broken bodies of the vectors', () => {
  it.each(v.brokenRequestBodies)('$why', ({ body, handedOn }) => {
    for (const pieces of [[hex(body)], Array.from(hex(body), byte => Uint8Array.of(byte))]) {
      const { payloads, cause, opener } = openAll(REQUEST, pieces)
      expect(cause).toEqual(broken)
      expect(payloads.map(toHex).join('')).toBe(handedOn)
      expect(opener.hasEnded).toBe(false)
    }
  })

  it('stay broken, whatever comes', () => {
    const { opener } = openAll(REQUEST, [hex(v.request.body).with(30, 0)])
    for (const more of [hex(v.request.body), Uint8Array.of(0)]) {
      expect(() => opener.open(more, () => expect.unreachable())).toThrow(broken)
      expect(() => opener.requireEnded()).toThrow(broken)
    }
  })
})

describe('a sealed body', () => {
  const sizes = fc.oneof(fc.nat(300), fc.constantFrom(65_516, 65_517, 65_518, 131_034, 131_035, 200_000))

  it('gives back what was sealed, whatever the sizes and the cuts', () => {
    fc.assert(
      fc.property(fc.array(sizes, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 8 }), (all, places) => {
        const pieces = all.map((size, i) => new Uint8Array(size).fill(i + 1))
        const sealed = Buffer.concat(sealAll(REQUEST, pieces))
        const { payloads, cause } = openAll(REQUEST, cutAt(sealed, places))
        expect(cause).toBeUndefined()
        expect(Buffer.concat(payloads).equals(Buffer.concat(pieces))).toBe(true)
        for (const { length } of payloads) expect(length).toBeLessThanOrEqual(65_517)
      }),
      { numRuns: 25 },
    )
  })

  it('hands on only what comes before the first change, and then breaks', () => {
    const pieces = ['first', 'second', 'third'].map(words => new TextEncoder().encode(words))
    const frames = sealAll(REQUEST, pieces)
    const sealed = Buffer.concat(frames)
    const ends = frames.map((_, i) => Buffer.concat(frames.slice(0, i + 1)).length)
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Uint8Array.from(sealed)
        changed[at] = (changed[at] as number) ^ mask
        const { payloads, cause } = openAll(REQUEST, [changed])
        expect(cause).toEqual(broken)
        const before = at < SALT_BYTES ? 0 : ends.filter(end => end <= at).length - 1
        expect(payloads).toEqual(pieces.slice(0, before))
      }),
      { numRuns: 60 },
    )
  })

  it('breaks wherever it is cut off', () => {
    const sealed = Buffer.concat(sealAll(REQUEST, [new Uint8Array(40), new Uint8Array(3)]))
    for (let length = 0; length < sealed.length; length++) {
      expect(openAll(REQUEST, [sealed.subarray(0, length)]).cause).toEqual(broken)
    }
  })

  it.each(['left out', 'doubled', 'exchanged', 'of another body', 'of the other direction'])(
    'breaks on a record that is %s',
    how => {
      const pieces = [1, 2, 3].map(byte => new Uint8Array(8).fill(byte))
      const [salt, a, b, c, end] = sealAll(REQUEST, pieces) as [Uint8Array, ...Uint8Array[]]
      const other = sealAll(REQUEST, pieces)[2]
      const back = sealAll(RESPONSE, pieces)[2]
      const frames = {
        'left out': [salt, a, c, end],
        doubled: [salt, a, a, b, c, end],
        exchanged: [salt, a, c, b, end],
        'of another body': [salt, a, other, c, end],
        'of the other direction': [salt, a, back, c, end],
      }[how] as Uint8Array[]
      const { payloads, cause } = openAll(REQUEST, frames)
      expect(cause).toEqual(broken)
      expect(payloads).toEqual(pieces.slice(0, 1))
    },
  )

  it('is nothing under another request, response or key', () => {
    const sealed = sealAll(REQUEST, [new Uint8Array(8)])
    const others: StreamBasis[] = [
      { ...REQUEST, messages: [hex(v.request.apReq).with(-1, 0)] },
      { ...REQUEST, messages: RESPONSE.messages },
      { ...REQUEST, direction: 'service-to-client' },
      { ...REQUEST, key: deriveAuthKey(new SessionKey(new Uint8Array(32)), []) },
    ]
    for (const basis of others) {
      expect(openAll(basis, sealed)).toMatchObject({ cause: broken, payloads: [] })
    }
  })

  it('holds no more than one record, however little of it comes', () => {
    const opener = new StreamOpener(REQUEST)
    const [salt = new Uint8Array(), frame = new Uint8Array()] = sealAll(REQUEST, [new Uint8Array(65_517)])
    opener.open(salt, () => expect.unreachable())
    for (let at = 0; at < frame.length - 1; at += 1024) {
      opener.open(frame.subarray(at, Math.min(at + 1024, frame.length - 1)), () => expect.unreachable())
    }
    let handedOn = 0
    opener.open(frame.subarray(-1), payload => {
      handedOn += payload.length
    })
    expect(handedOn).toBe(65_517)
    expect(() => opener.requireEnded()).toThrow(/cut off/)
  })

  it('ends once', () => {
    const sealer = new StreamSealer(REQUEST, systemRandom)
    expect(sealer.seal(new Uint8Array())).toEqual([])
    sealer.sealEnd()
    expect(() => sealer.seal(Uint8Array.of(1))).toThrow(TypeError)
    expect(() => sealer.sealEnd()).toThrow(TypeError)
  })

  it('draws a salt for each body', () => {
    const salts = Array.from({ length: 20 }, () => toHex(new StreamSealer(REQUEST, systemRandom).salt))
    expect(new Set(salts).size).toBe(20)
  })
})

describe('a sealer that holds what fills no record', () => {
  it('loses nothing and changes no order, whatever the pieces are', () => {
    const size = fc.oneof(fc.nat(300), fc.integer({ min: PAYLOAD_BYTES - 40, max: 5 * PAYLOAD_BYTES }))
    const step = fc.record({ size, isHeld: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), steps => {
        const sealer = new StreamSealer(REQUEST, systemRandom)
        const pieces = steps.map(({ size }) => new Uint8Array(randomBytes(size)))
        const frames = pieces.flatMap((piece, i) =>
          steps[i]?.isHeld ? sealer.sealWhole(piece) : sealer.seal(piece),
        )
        const { payloads, cause } = openAll(REQUEST, [sealer.salt, ...frames, sealer.sealEnd()])
        expect(cause).toBeUndefined()
        expect(Buffer.concat(payloads).equals(Buffer.concat(pieces))).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  it('makes one record of each piece of 64 KiB', () => {
    const sealer = new StreamSealer(REQUEST, systemRandom)
    const frames = Array.from({ length: 10 }, () => sealer.sealWhole(new Uint8Array(64 * 1024))).flat()
    expect(sealer.holds).toBe(true)
    const { payloads } = openAll(REQUEST, [sealer.salt, ...frames, sealer.sealEnd()])
    expect(sealer.holds).toBe(false)
    const rest = 10 * (64 * 1024 - PAYLOAD_BYTES)
    expect(payloads.map(payload => payload.length)).toEqual([...Array(10).fill(PAYLOAD_BYTES), rest])
  })
})
