import { describe, expect, it } from 'vitest'
import { openApart, openExtended, openRecord, sealApart, sealExtended, sealInPlace } from '#primitives'
import { concatBytes, toHex } from '../../../shared/bytes.js'
import { openWith, sealWith } from '../../../shared/crypto/seal.js'
import { openCounted } from '../../../shared/crypto/seal-counted.js'
import { sealCounted, sealedCopy } from '../../support/sealed.js'
import { fixedRandom, hex, vectors } from '../../vectors.js'

/**
 * What implementations of the two AEADs have got wrong before (accumulators of Poly1305 that carry, tags all zero,
 * inputs of a wrong size), by the bytes of another implementation: `test/vectors/edge-cases/generate.py`.
 */

interface AeadCase {
  readonly comment: string
  readonly flags: readonly [string]
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly result: 'valid' | 'invalid'
}

/** In place of a message where there is none; none of the cases has it. */
const NOT_OPENED = hex('ee')

type Bytes = Record<'key' | 'nonce' | 'aad' | 'msg' | 'sealed', Uint8Array>

function bytesOf({ key, nonce, aad, msg, ct, tag }: AeadCase): Bytes {
  return { key: hex(key), nonce: hex(nonce), aad: hex(aad), msg: hex(msg), sealed: hex(ct + tag) }
}

function sealRecord(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, message: Uint8Array): Uint8Array {
  return sealedCopy(message, room => sealInPlace(key, nonce, aad, room))
}

/** The same AEAD, with the first byte of the message apart, or all of it where there is none. */
function sealTogether(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, message: Uint8Array): Uint8Array {
  const { head, rest, tag } = sealApart(key, nonce, aad, message.subarray(0, 1), message.subarray(1))
  return concatBytes(head, rest, tag)
}

function openTogether(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const opened = openApart(key, nonce, aad, sealed, Math.min(1, Math.max(0, sealed.length - 16)))
  return opened && concatBytes(opened.head, opened.rest)
}

/** A box that does not open counts as refused; an input of a wrong size may also throw. */
function attempt<T>(open: () => T | undefined): T | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

/** Those whose tags are worth trying bit by bit: tags that are special, and short messages of every kind. */
const isTried = ({ flags, msg }: AeadCase) => flags[0] === 'EdgeCaseTag' || msg.length <= 2 * 15

function titled(cases: readonly AeadCase[], result: AeadCase['result']): [string, string, AeadCase][] {
  return cases.filter(one => one.result === result).map(one => [one.flags[0], one.comment, one])
}

describe.each([
  ['xchacha20-poly1305', 'in one', sealExtended, openExtended],
  ['chacha20-poly1305', 'in one', sealRecord, openRecord],
  ['chacha20-poly1305', 'in parts', sealTogether, openTogether],
] as const)('%s %s', (name, _way, seal, open) => {
  const { cases } = vectors<{ cases: AeadCase[] }>(`edge-cases/${name}`)

  it.each(titled(cases, 'valid'))('%s: %s', (_flag, _comment, one) => {
    const { key, nonce, aad, msg, sealed } = bytesOf(one)
    expect(toHex(seal(key, nonce, aad, msg))).toBe(one.ct + one.tag)
    expect(toHex(open(key, nonce, aad, sealed) ?? NOT_OPENED)).toBe(one.msg)
    // Its input is unchanged.
    const given = [key, nonce, aad, msg, sealed].map(toHex)
    expect(given).toEqual([one.key, one.nonce, one.aad, one.msg, one.ct + one.tag])
  })

  it.each(titled(cases, 'invalid'))('%s: %s is refused', (_flag, _comment, one) => {
    const { key, nonce, aad, sealed } = bytesOf(one)
    expect(attempt(() => open(key, nonce, aad, sealed))).toBeUndefined()
  })

  it('does not open under a tag that differs in a bit', () => {
    let opened = 0
    for (const one of cases.filter(one => one.result === 'valid' && isTried(one))) {
      const { key, nonce, aad, sealed } = bytesOf(one)
      for (let bit = 0; bit < 128; bit++) {
        const altered = sealed.slice()
        const at = sealed.length - 16 + (bit >> 3)
        altered[at] = (altered[at] as number) ^ (1 << (bit & 7))
        if (open(key, nonce, aad, altered) !== undefined) opened += 1
      }
    }
    expect(opened).toBe(0)
  })
})

describe('a sealed box', () => {
  const { cases } = vectors<{ cases: AeadCase[] }>('edge-cases/xchacha20-poly1305')

  it.each(titled(cases, 'valid'))('%s: %s', (_flag, _comment, one) => {
    const { key, nonce, aad, msg, sealed } = bytesOf(one)
    const box = sealWith(key, aad, msg, fixedRandom(nonce))
    expect(toHex(box)).toBe(one.nonce + toHex(sealed))
    expect(toHex(openWith(key, aad, box) ?? NOT_OPENED)).toBe(one.msg)
  })

  it.each(titled(cases, 'invalid'))('%s: %s is refused', (_flag, _comment, one) => {
    const { key, nonce, aad, sealed } = bytesOf(one)
    expect(attempt(() => openWith(key, aad, concatBytes(nonce, sealed)))).toBeUndefined()
  })

  it('of any length below that of nonce and tag is refused', () => {
    for (let length = 0; length < 40; length++) {
      expect(openWith(new Uint8Array(32), new Uint8Array(0), new Uint8Array(length))).toBeUndefined()
    }
  })
})

describe('a record', () => {
  const [key, aad, message] = [hex('42'.repeat(32)), hex('010c'), hex('00')]
  const sealed = (counter: number) => toHex(sealCounted(key, counter, aad, message))

  it.each([
    [0, '000000000000000000000000'],
    [1, '000000000000000000000001'],
    [255, '0000000000000000000000ff'],
    [256, '000000000000000000000100'],
    [2 ** 31, '000000000000000080000000'],
    [2 ** 32 - 1, '0000000000000000ffffffff'],
    [2 ** 32, '000000000000000100000000'],
    [2 ** 32 + 1, '000000000000000100000001'],
    [2 ** 53 - 1, '00000000001fffffffffffff'],
  ])('of the counter %i has that number in its nonce, and opens under no other', (counter, nonce) => {
    expect(sealed(counter)).toBe(toHex(sealRecord(key, hex(nonce), aad, message)))
    const bytes = hex(sealed(counter))
    expect(openCounted(key, counter, aad, bytes)).toEqual(message)
    const others = [counter - 1, counter + 1, counter % 2 ** 32, counter + 2 ** 32]
    for (const other of others.filter(other => Number.isSafeInteger(other) && other >= 0)) {
      if (other !== counter) expect(openCounted(key, other, aad, bytes)).toBeUndefined()
    }
  })

  it.each([2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('has no counter %d', counter => {
    expect(() => sealCounted(key, counter, aad, message)).toThrow(TypeError)
    expect(() => openCounted(key, counter, aad, hex('00'.repeat(17)))).toThrow(TypeError)
  })
})
