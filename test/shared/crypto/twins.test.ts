import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as portableBase64url from '../../../shared/base64url.js'
import * as nodeBase64url from '../../../shared/base64url.node.js'
import { concatBytes, toHex } from '../../../shared/bytes.js'
import * as nobleTwin from '../../../shared/crypto/primitives.js'
import * as opensslTwin from '../../../shared/crypto/primitives.node.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { sealedCopy } from '../../support/sealed.js'

/** Each with what seals in place, as what returns it. */
const openssl = withRecords(opensslTwin)
const noble = withRecords(nobleTwin)

function withRecords<T extends typeof nobleTwin>(twin: T) {
  const sealRecord = (k: Uint8Array, n: Uint8Array, aad: Uint8Array, message: Uint8Array): Uint8Array =>
    sealedCopy(message, room => twin.sealInPlace(k, n, aad, room))
  return { ...twin, sealRecord }
}

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const data = fc.uint8Array({ maxLength: 400 })
const nonce = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** An input of a wrong size may be a mistake that is thrown, or simply open nothing. */
function attempt(open: () => Uint8Array | undefined): Uint8Array | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

describe('noble and OpenSSL', () => {
  it('hash to the same bytes', () => {
    fc.assert(
      fc.property(data, data, (a, b) => {
        expect(openssl.sha256(a, b)).toEqual(noble.sha256(a, b))
      }),
    )
  })

  it('hash an ASCII text as its bytes', () => {
    const ascii = fc.string({ unit: 'binary-ascii', maxLength: 400 })
    fc.assert(
      fc.property(ascii, text => {
        const digest = noble.sha256(Uint8Array.from(Buffer.from(text, 'latin1')))
        expect(openssl.sha256Ascii(text)).toEqual(digest)
        expect(noble.sha256Ascii(text)).toEqual(digest)
      }),
    )
  })

  it('MAC to the same bytes', () => {
    fc.assert(
      fc.property(data, data, data, (k, a, b) => {
        expect(openssl.hmacSha256(k, a, b)).toEqual(noble.hmacSha256(k, a, b))
      }),
    )
  })

  it.each([
    ['sealExtended', 'openExtended', 24],
    ['sealRecord', 'openRecord', 12],
  ] as const)('%s to the same bytes and open what the other sealed', (seal, open, nonceLength) => {
    fc.assert(
      fc.property(key, nonce(nonceLength), data, data, fc.nat(), (k, n, aad, message, at) => {
        const sealed = noble[seal](k, n, aad, message)
        expect(openssl[seal](k, n, aad, message)).toEqual(sealed)
        const altered = sealed.slice()
        altered[at % altered.length] = (altered[at % altered.length] as number) ^ (1 << (at % 8))
        for (const twin of [noble, openssl]) {
          expect(twin[open](k, n, aad, sealed)).toEqual(message)
          expect(twin[open](k, n, aad, altered)).toBeUndefined()
          expect(twin[open](k, n, aad, sealed.subarray(0, at % sealed.length))).toBeUndefined()
        }
      }),
    )
  })

  it('seal in parts what is sealed in one, and hand on no part of what was altered', () => {
    const head = fc.uint8Array({ maxLength: 3 })
    fc.assert(
      fc.property(key, nonce(12), data, head, data, fc.nat(), (k, n, aad, first, message, at) => {
        const sealed = noble.sealRecord(k, n, aad, concatBytes(first, message))
        const altered = sealed.slice()
        altered[at % altered.length] = (altered[at % altered.length] as number) ^ (1 << (at % 8))
        for (const twin of [noble, openssl]) {
          const parts = twin.sealApart(k, n, aad, first, message)
          expect(toHex(concatBytes(parts.head, parts.rest, parts.tag))).toBe(toHex(sealed))
          const open = (box: Uint8Array, headBytes = first.length) =>
            twin.openApart(k, n, aad, box, headBytes)
          expect(open(sealed)).toEqual({ head: first, rest: message })
          // Nothing else is in the memory that a program is given.
          expect(open(sealed)?.rest.buffer.byteLength).toBe(message.length)
          expect(open(altered)).toBeUndefined()
          expect(open(sealed.subarray(0, at % sealed.length))).toBeUndefined()
          expect(open(sealed, sealed.length)).toBeUndefined()
        }
      }),
    )
  })

  it('take a slice of a larger buffer as it is', () => {
    const whole = Uint8Array.from({ length: 100 }, (_, i) => i)
    const [k, n] = [whole.subarray(3, 35), whole.subarray(41, 65)]
    const sealed = noble.sealExtended(k.slice(), n.slice(), whole.subarray(1, 2), whole.subarray(7, 9))
    expect(openssl.sealExtended(k, n, whole.subarray(1, 2), whole.subarray(7, 9))).toEqual(sealed)
  })

  it.each([
    ['sealExtended', 'openExtended', 24],
    ['sealRecord', 'openRecord', 12],
  ] as const)('%s with no key or nonce of another size, whatever came before', (seal, open, nonceLength) => {
    const [k, n, none] = [new Uint8Array(32).fill(7), new Uint8Array(nonceLength).fill(7), new Uint8Array(0)]
    const sealed = noble[seal](k, n, none, new Uint8Array(4))
    const wrong = [
      ...[0, 16, 31, 33, 64].map(length => [new Uint8Array(length).fill(7), n] as const),
      ...[0, 8, nonceLength - 1, nonceLength + 1, 32].map(
        length => [k, new Uint8Array(length).fill(7)] as const,
      ),
    ]
    for (const twin of [noble, openssl]) {
      for (const [otherKey, otherNonce] of wrong) {
        expect(toHex(twin[seal](k, n, none, new Uint8Array(4)))).toBe(toHex(sealed))
        expect(() => twin[seal](otherKey, otherNonce, none, new Uint8Array(4))).toThrow()
        expect(attempt(() => twin[open](otherKey, otherNonce, none, sealed))).toBeUndefined()
      }
    }
  })

  it('derive the same key from a password', async () => {
    const parameters = { log2N: 10, r: 8, p: 1 }
    const derive = (twin: typeof noble) =>
      twin.scrypt(new Uint8Array([1]), new Uint8Array(32), parameters, 32)
    expect(await derive(openssl)).toEqual(await derive(noble))
  })
})

describe('base64url of Node and of the portable code', () => {
  const twins = [portableBase64url, nodeBase64url]

  it('write and read the same', () => {
    fc.assert(
      fc.property(data, bytes => {
        const text = Buffer.from(bytes).toString('base64url')
        for (const { toBase64url, fromBase64url } of twins) {
          expect(toBase64url(bytes)).toBe(text)
          expect(fromBase64url(text)).toEqual(bytes)
        }
      }),
    )
  })

  it('read a key into memory of its own', () => {
    for (const { fromBase64url } of twins) {
      expect(fromBase64url('A'.repeat(43)).buffer.byteLength).toBe(32)
    }
  })

  it('refuse the same', () => {
    const letters = fc.constantFrom(...'AQgwZz09-_+/= \n\u0000\u00e9\u0141\u{1f600}')
    const read = ({ fromBase64url }: typeof portableBase64url, text: string) => {
      try {
        return toHex(fromBase64url(text))
      } catch (cause) {
        return (cause as OrthrusError).code
      }
    }
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 10 }), text => {
        expect(read(nodeBase64url, text)).toBe(read(portableBase64url, text))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('random bytes', () => {
  it.each([0, 1, 16, 32, 512, 513, 5_000])('come in any number: %i', length => {
    for (const twin of [noble, openssl]) expect(twin.randomBytes(length)).toHaveLength(length)
  })

  it('are never handed out twice, whatever was done to earlier ones', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 10_000; i++) {
      const bytes = openssl.randomBytes(16)
      seen.add(bytes.join())
      bytes.fill(0)
    }
    expect(seen.size).toBe(10_000)
  })
})
