import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { plainBytes, toHex } from '../../../shared/bytes.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import { fromJson, hex, type Json, vectors } from '../../vectors.js'

const { good, malformed } = vectors<{
  good: { value: Json; bytes: string }[]
  malformed: { why: string; bytes: string }[]
}>('encoding')

/** Values of the encoding, at most `depth` lists deep. */
function anyValue(depth: number): fc.Arbitrary<Value> {
  const leaf = fc.oneof(
    fc.constantFrom<Value>(null, true, false),
    fc.maxSafeNat(),
    fc.constantFrom(0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
  )
  return depth === 0
    ? leaf
    : fc.oneof({ weight: 3, arbitrary: leaf }, fc.array(anyValue(depth - 1), { maxLength: 20 }))
}

const anyBody = fc.array(anyValue(3), { maxLength: 20 })

describe('encoding vectors', () => {
  it.each(good.map(vector => [vector.bytes.slice(0, 40), vector] as const))('%s', (_, { value, bytes }) => {
    expect(decode(hex(bytes))).toEqual(fromJson(value))
    expect(toHex(encode(fromJson(value) as Value[]))).toBe(bytes)
  })

  it.each(malformed.map(vector => [vector.why, vector.bytes] as const))('refuses %s', (_, bytes) => {
    expect(() => decode(hex(bytes))).toThrow(expect.objectContaining({ code: 'malformed' }))
  })
})

describe('encoding', () => {
  it('returns whatever was encoded, and so does msgpackr', () => {
    const oracle = new Packr({ useRecords: false, int64AsType: 'number' })
    fc.assert(
      fc.property(anyBody, body => {
        const bytes = encode(body)
        expect(decode(bytes)).toEqual(body)
        expect(bytes).toEqual(plainBytes(oracle.pack(body)))
        expect(plain(oracle.unpack(bytes) as Value)).toEqual(body)
      }),
    )
  })

  it('encodes whatever can be decoded to the same bytes again', () => {
    fc.assert(
      fc.property(
        anyBody,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
        (body, edits) => {
          const bytes = encode(body)
          for (const [at, byte] of edits) bytes[at % bytes.length] = byte
          const decoded = attempt(bytes)
          if (decoded !== undefined) expect(encode(decoded)).toEqual(bytes)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('ends with a value or with malformed for random bytes, in time that follows their length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), bytes => void attempt(bytes)),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['60,000 nested lists', new Uint8Array(60_000).fill(0x91)],
    ['a list that announces 65,535 items', hex('dcffff')],
    ['lists that each announce more than there is', hex('dcffff'.repeat(7))],
    ['bytes that announce 65,535', hex('91c5ffff')],
    ['text that announces 65,535', hex('91daffff')],
    ['a bigint extension', hex(`91c7ff42${'ff'.repeat(255)}`)],
    ['a record definition', hex('d4720192a16102d47201')],
  ])('refuses %s at once', (_, bytes) => {
    expect(() => decode(bytes)).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  // In memory each of these would be 40 to 160 times what it is in the message.
  it.each([
    ['empty lists', '90'],
    ['lists of one', '91c0'],
    ['lists nested as deep as they may be', '91919191919190'],
    ['empty byte strings', 'c400'],
  ])('refuses a large message of nothing but %s', (_, item) => {
    const count = 16_000
    expect(() => decode(hex(`dc${count.toString(16)}${item.repeat(count)}`))).toThrow(
      expect.objectContaining({ reason: expect.stringContaining('too many small values') }),
    )
  })

  // 256 KiB and 16 a byte, against 48 a list, 8 an item, 112 for bytes, and a text of more than one character and 24.
  it.each([
    ['byte strings', 6_551, 'c400', 1],
    ['texts of two characters', 6_558, `c400${'a26161'.repeat(20)}`, 21],
    ['texts of one character', 6_557, `c400${'a161'.repeat(10)}`, 11],
    ['two of nothing, which leave no byte', 6_554, 'c0c0', 2],
    ['texts of nine characters', 6_577, 'a9616161616161616161'.repeat(8), 8],
  ])('counts to the byte what small values take in memory: %s', (_, lists, others, count) => {
    const body = (number: number): Uint8Array =>
      hex(`dc${(number + count).toString(16)}${others}${'90'.repeat(number)}`)
    expect(decode(body(lists))).toHaveLength(lists + count)
    expect(() => decode(body(lists + 1))).toThrow(
      expect.objectContaining({ reason: expect.stringContaining('too many small values') }),
    )
  })

  it('accepts the most small values that a caveat can have', () => {
    for (const item of ['90', 'c400', '919191919190', '91c0']) {
      const count = Math.floor((2048 - 10) / (item.length / 2))
      const caveat = hex(`93a3617070a161dc${count.toString(16).padStart(4, '0')}${item.repeat(count)}`)
      expect(encode(decode(caveat))).toEqual(caveat)
    }
  })

  it('accepts the most small values that a page of rules can have', () => {
    // Two letters take more room for each byte than one or three.
    const claims = Array.from({ length: 32 }, (_, i): Value => [`a${String.fromCharCode(65 + i)}`, []])
    const row: Value = ['*', 'a@b', 'allow', claims, null, ['A'], ['/'], false]
    const page = encode([1, null, new Array<Value>(100).fill(row)])
    expect(encode(decode(page))).toEqual(page)
  })

  it('distinguishes texts of every length, ASCII or not', () => {
    const texts = [0, 1, 2, 31, 32, 63, 64, 65, 300].flatMap(length => [
      'a'.repeat(length),
      'é'.repeat(length),
      `${'a'.repeat(length)}😀`,
    ])
    expect(decode(encode(texts))).toEqual(texts)
    expect(() => decode(hex('91a2c328'))).toThrow(/not UTF-8/)
    expect(decode(encode(texts))).toEqual(texts)
  })

  it('returns plain bytes, even from a Buffer', () => {
    const [inner] = decode(Buffer.from(hex('91c4020102')))
    expect(inner?.constructor).toBe(Uint8Array)
    expect(inner).toEqual(new Uint8Array([1, 2]))
    const part = Buffer.from(hex('ffff91c4020102ff')).subarray(2, 7)
    expect(decode(part)).toEqual([new Uint8Array([1, 2])])
  })

  it('reads views of its input, and writes bytes that nothing else writes to', () => {
    const bytes = encode([new Uint8Array(3)])
    expect((decode(bytes)[0] as Uint8Array).buffer).toBe(bytes.buffer)
    expect(encode([1]).buffer).not.toBe(encode([1]).buffer)
  })

  it.each([
    ['63 characters', 'a'.repeat(63)],
    ['64 characters', 'a'.repeat(64)],
    ['65 characters', 'a'.repeat(65)],
    ['64 with the last beyond ASCII', `${'a'.repeat(62)}\u0080`],
    ['the last of ASCII', '\u007f'],
    ['the first beyond ASCII', '\u0080'],
    ['one beyond ASCII', 'a\u00e9a'],
  ])('reads a text of %s', (_, text) => {
    expect(decode(encode([text]))).toEqual([text])
  })

  it.each([
    ['no list', 'c0', 'the body is not a list'],
    ['bytes behind it', '90c0', 'extra bytes after the body'],
    ['nothing', '', 'cut off'],
    ['a list of one without it', '91', 'a list longer than the message'],
    ['text that is not UTF-8', '91a1ff', 'text that is not UTF-8'],
    ['text that is a byte 80 alone', '91a180', 'text that is not UTF-8'],
    ['text that is a zero and a byte 80', '91a20080', 'text that is not UTF-8'],
    ['a float of 2^32 - 1', '91cb41efffffffe00000', 'a float that is not a whole number from 2^32 to 2^53-1'],
    ['a float of 2^53', '91cb4340000000000000', 'a float that is not a whole number from 2^32 to 2^53-1'],
    ['half a float', '91cb41f0', 'cut off'],
    ['a number 127 in two bytes', '91cc7f', 'a longer encoding than needed'],
    ['lists nine deep', '919191919191919190', 'lists nested too deep'],
    ['a map', '9180', 'a MessagePack form that the protocol does not use'],
  ])('refuses %s for what it is', (_, bytes, reason) => {
    expect(() => decode(hex(bytes))).toThrow(expect.objectContaining({ code: 'malformed', reason }))
  })

  it.each([
    ['lists eight deep', '9191919191919190'],
    ['a float of 2^32', '91cb41f0000000000000'],
    ['a float of 2^53 - 1', '91cb433fffffffffffff'],
    ['as many items as there are bytes', '93c0c0c0'],
  ])('accepts %s', (_, bytes) => {
    expect(toHex(encode(decode(hex(bytes))))).toBe(bytes)
  })

  it('keeps a byte-order mark as a character like others', () => {
    expect(decode(encode(['\ufeffa']))).toEqual(['\ufeffa'])
  })

  it.each<[string, unknown]>([
    ['a negative number', -1],
    ['minus zero', -0],
    ['a fraction', 1.5],
    ['2^53', 2 ** 53],
    ['NaN', Number.NaN],
    ['half a surrogate pair', '\ud800'],
    ['undefined', undefined],
    ['an object', {}],
    ['a bigint', 1n],
    ['lists nine deep', [[[[[[[[]]]]]]]]],
  ])('does not encode %s', (_, value) => {
    expect(() => encode([value as Value])).toThrow(TypeError)
  })

  it('has byte strings as long as they decode, and no longer ones', () => {
    const longest = new Uint8Array(0xffff).fill(7)
    expect(decode(encode([longest]))).toEqual([longest])
    expect(() => encode([new Uint8Array(0x10000)])).toThrow('a byte string has at most 65535 bytes')
  })
})

function attempt(bytes: Uint8Array): Value[] | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    expect(error).toMatchObject({ code: 'malformed' })
    return undefined
  }
}

function plain(value: Value): Value {
  if (Array.isArray(value)) return value.map(plain)
  return value instanceof Uint8Array ? new Uint8Array(value) : value
}
