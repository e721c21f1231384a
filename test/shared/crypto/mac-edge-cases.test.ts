import { describe, expect, it } from 'vitest'
import { equalBytes, hmacSha256 } from '#primitives'
import { concatBytes, toHex } from '../../../shared/bytes.js'
import type { Usage } from '../../../shared/constants.js'
import { createMac, expand, isMac } from '../../../shared/crypto/derive.js'
import { type AnyKey, LongTermKey } from '../../../shared/crypto/keys.js'
import { hex, vectors } from '../../vectors.js'

/**
 * HMAC and HKDF where they have gone wrong before: keys about the size of a block, tags cut or altered, empty parts;
 * by the bytes of other implementations, `test/vectors/edge-cases/generate.py`.
 */

interface HmacCase {
  readonly comment: string
  readonly flags: readonly [string]
  readonly key: string
  readonly msg: string
  readonly tag: string
  readonly result: 'valid' | 'invalid'
}

interface ExpandCase {
  readonly comment: string
  readonly key: string
  readonly usage: Usage
  readonly okm: string
}

interface HkdfCase {
  readonly comment: string
  readonly ikm: string
  readonly salt: string
  readonly info: string
  readonly size: number
  readonly okm: string
}

const macs = vectors<{ cases: HmacCase[] }>('edge-cases/hmac-sha-256').cases
const { cases: derived } = vectors<{ cases: (ExpandCase | HkdfCase)[] }>('edge-cases/hkdf-sha-256')
const titled = (result: HmacCase['result']) =>
  macs.filter(one => one.result === result).map(one => [one.flags[0], one.comment, one] as const)

describe('hmac-sha-256', () => {
  it.each(titled('valid'))('%s: %s', (_flag, _comment, { key, msg, tag }) => {
    expect(toHex(hmacSha256(hex(key), hex(msg)))).toBe(tag)
  })

  it.each(titled('valid'))('%s: %s, in parts', (_flag, _comment, { key, msg, tag }) => {
    const [k, whole] = [hex(key), hex(msg)]
    for (const at of [0, 1, 63, 64, 65, whole.length].filter(at => at <= whole.length)) {
      const parts = [whole.subarray(0, at), new Uint8Array(0), whole.subarray(at)]
      expect(toHex(hmacSha256(k, ...parts))).toBe(tag)
    }
  })

  it.each(titled('invalid'))('%s: %s is refused', (_flag, _comment, { key, msg, tag }) => {
    expect(equalBytes(hmacSha256(hex(key), hex(msg)), hex(tag))).toBe(false)
  })

  it('accepts no tag that differs in a bit or is cut', () => {
    const key = new LongTermKey(hex('c3'.repeat(32)))
    const message = hex('0102030405')
    const tag = createMac(key, 'as-req', message)
    expect(isMac(key, 'as-req', tag, message)).toBe(true)
    for (let bit = 0; bit < 256; bit++) {
      const altered = tag.slice()
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(isMac(key, 'as-req', altered, message)).toBe(false)
    }
    for (let length = 0; length < 32; length++) {
      expect(isMac(key, 'as-req', tag.subarray(0, length), message)).toBe(false)
      expect(isMac(key, 'as-req', tag.subarray(32 - length), message)).toBe(false)
    }
    expect(isMac(key, 'as-req', concatBytes(tag, new Uint8Array(1)), message)).toBe(false)
  })
})

describe('hkdf-sha-256', () => {
  const expansions = derived.filter(one => 'usage' in one)
  const wholes = derived.filter(one => 'ikm' in one)

  it.each(expansions.map(one => [one.comment, one] as const))('expands %s', (_, { key, usage, okm }) => {
    const anyKey = new LongTermKey(hex(key)) as unknown as AnyKey
    expect(toHex(expand(anyKey, usage))).toBe(okm)
    // The second time it is remembered.
    expect(toHex(expand(anyKey, usage))).toBe(okm)
  })

  // The protocol has only the first block of the second half; this is HMAC at work, many times in a row.
  it.each(wholes.map(one => [one.comment, one] as const))('by the HMAC: %s', (_, one) => {
    const key = hmacSha256(hex(one.salt), hex(one.ikm))
    let [okm, block] = [new Uint8Array(0), new Uint8Array(0)]
    for (let i = 1; okm.length < one.size; i++) {
      block = new Uint8Array(hmacSha256(key, block, hex(one.info), new Uint8Array([i])))
      okm = new Uint8Array(concatBytes(okm, block))
    }
    expect(toHex(okm.subarray(0, one.size))).toBe(one.okm)
  })
})
