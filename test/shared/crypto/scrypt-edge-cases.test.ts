import { describe, expect, it } from 'vitest'
import { scrypt } from '#primitives'
import { toHex } from '../../../shared/bytes.js'
import { SCRYPT } from '../../../shared/constants.js'
import { derivePasswordKey } from '../../../shared/crypto/derive.js'
import { revealKey } from '../../../shared/crypto/keys.js'
import type { ScryptParameters } from '../../../shared/crypto/primitives.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { requireSoundParameters } from '../../../shared/exchange/params.js'
import type { Principal } from '../../../shared/principal.js'
import { hex, vectors } from '../../vectors.js'

/**
 * scrypt by RFC 7914, password keys in every spelling, and the bounds on what a KDC may ask for; by the bytes of
 * another implementation, `test/vectors/edge-cases/generate.py`. What takes seconds is in the slow set.
 */

type ScryptCase = ScryptParameters & { readonly comment: string; readonly flags: readonly [string] } & (
    | {
        readonly flags: readonly ['Scrypt']
        readonly password: string
        readonly salt: string
        readonly out: string
      }
    | {
        readonly flags: readonly ['PasswordKey']
        readonly password: string
        readonly principal: Principal
        readonly salt: string
        readonly out: string
      }
    | { readonly flags: readonly ['InBounds' | 'OutOfBounds'] }
  )

const slow = process.env.ORTHRUS_SLOW === '1'
const all = vectors<{ cases: ScryptCase[] }>('edge-cases/scrypt').cases
const isQuick = ({ log2N }: ScryptParameters) => slow || log2N <= 14

function ofFlag<F extends ScryptCase['flags'][0]>(flag: F) {
  return all
    .filter((one): one is Extract<ScryptCase, { flags: readonly [F] }> => one.flags[0] === flag)
    .map(one => [one.comment, one] as const)
}

describe('scrypt', () => {
  it.each(ofFlag('Scrypt').filter(([, one]) => isQuick(one)))('%s', async (_, one) => {
    const out = await scrypt(hex(one.password), hex(one.salt), one, one.out.length / 2)
    expect(toHex(out)).toBe(one.out)
  })
})

describe('a password key', () => {
  it.each(ofFlag('PasswordKey').filter(([, one]) => isQuick(one)))('%s', async (_, one) => {
    const key = await derivePasswordKey(one.password, one.principal, hex(one.salt), one)
    expect(toHex(revealKey(key))).toBe(one.out)
  })

  it('differs for each password, principal, salt and N', () => {
    const keys = ofFlag('PasswordKey').map(([comment, { out }]) => (comment.includes('the same') ? '' : out))
    expect(new Set(keys).size).toBe(keys.length)
  })
})

describe('parameters of a password', () => {
  it.each(ofFlag('InBounds'))('%s are taken', (_, parameters) => {
    expect(() => requireSoundParameters(parameters)).not.toThrow()
  })

  it.each(ofFlag('OutOfBounds'))('%s are refused, for good', (_, parameters) => {
    const refusal = { code: 'refused_unproved', final: true } satisfies Partial<OrthrusError>
    expect(() => requireSoundParameters(parameters)).toThrow(expect.objectContaining(refusal))
  })

  it('have the floor and the ceiling that these cases try', () => {
    const inBounds = ofFlag('InBounds').map(([, { log2N }]) => log2N)
    expect([Math.min(...inBounds), Math.max(...inBounds)]).toEqual([SCRYPT.LOG2N, SCRYPT.LOG2N_MAX])
  })
})
