import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { toBase64url, toHex } from '../../../shared/bytes.js'
import { USAGES, type Usage } from '../../../shared/constants.js'
import {
  combineAuthKeys,
  createMac,
  deriveAuthKey,
  derivePasswordKey,
  expand,
  extendChain,
  finishChain,
  isMac,
  startChain,
} from '../../../shared/crypto/derive.js'
import { keepChain, keepCombination } from '../../../shared/crypto/derived-keys.js'
import { type AnyKey, AuthKey, LongTermKey, revealKey, SessionKey } from '../../../shared/crypto/keys.js'
import type { Principal } from '../../../shared/principal.js'
import { hex, vectors } from '../../vectors.js'

const keys = vectors<{
  expand: { key: string; usage: Usage; out: string }[]
  chain: { sessionKey: string; caveats: string[]; chainKey: string; authKey: string }[]
  both: { own: string; delegated: string; out: string }[]
  password: {
    password: string
    principal: string
    salt: string
    log2N: number
    r: number
    p: number
    out: string
  }[]
}>('keys')

describe('key vectors', () => {
  it.each(keys.expand.map(v => [v.usage, v] as const))('expand for %s', (_, { key, usage, out }) => {
    const anyKey: AnyKey = new LongTermKey(hex(key)) as unknown as AnyKey
    expect(toHex(expand(anyKey, usage))).toBe(out)
  })

  it('covers every usage', () => {
    expect(new Set(keys.expand.map(v => v.usage))).toEqual(new Set(USAGES))
    expect(new Set(USAGES).size).toBe(USAGES.length)
  })

  it.each(keys.chain.map(v => [v.caveats.length, v] as const))('a chain of %i caveats', (_, vector) => {
    const key = new SessionKey(hex(vector.sessionKey))
    const chain = vector.caveats.map(hex).reduce(extendChain, startChain(key))
    expect(toHex(revealKey(chain))).toBe(vector.chainKey)
    expect(toHex(revealKey(finishChain(chain)))).toBe(vector.authKey)
    expect(toHex(revealKey(deriveAuthKey(key, vector.caveats.map(hex))))).toBe(vector.authKey)
  })

  it.each(keys.both)('the key of both', ({ own, delegated, out }) => {
    const combined = combineAuthKeys(new AuthKey(hex(own)), new AuthKey(hex(delegated)))
    expect(toHex(revealKey(combined))).toBe(out)
  })

  it.each(keys.password.map(v => [v.password, v] as const))(
    'the key of the password %s',
    async (_, vector) => {
      const { password, principal, salt, out, ...parameters } = vector
      const key = await derivePasswordKey(password, principal as Principal, hex(salt), parameters)
      expect(toHex(revealKey(key))).toBe(out)
    },
  )

  it('a password is the same in any normal form', async () => {
    const parameters = { log2N: 10, r: 8, p: 1 }
    const salt = new Uint8Array(16)
    const composed = await derivePasswordKey('p\u00e4ss', 'a@b' as Principal, salt, parameters)
    const decomposed = await derivePasswordKey('pa\u0308ss', 'a@b' as Principal, salt, parameters)
    expect(revealKey(decomposed)).toEqual(revealKey(composed))
  })
})

describe('keys', () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => 200 - i)
  const key = new LongTermKey(bytes.slice())

  it('show their bytes nowhere', () => {
    expand(key, 'ticket')
    const shown = [
      inspect(key, { depth: 9, showHidden: true }),
      JSON.stringify({ key }),
      `${key}`,
      inspect({ a: [key] }),
    ]
    const secrets = [bytes, expand(key, 'ticket')].flatMap(secret => [
      toHex(secret),
      toBase64url(secret),
      Buffer.from(secret).toString('base64'),
      [...secret].join(', '),
    ])
    for (const text of shown) for (const secret of secrets) expect(text).not.toContain(secret.slice(0, 12))
  })

  it('show what they are for, wherever they are written', () => {
    const [session, auth] = [new SessionKey(bytes.slice()), new AuthKey(bytes.slice())]
    for (const [one, name] of [
      [key, '[LongTermKey]'],
      [session, '[SessionKey]'],
      [auth, '[AuthKey]'],
    ] as const) {
      expect([`${one}`, inspect(one), JSON.stringify(one)]).toEqual([name, name, JSON.stringify(name)])
    }
  })

  it('are expanded once for each usage', () => {
    expect(expand(key, 'ticket')).toBe(expand(key, 'ticket'))
    expect(expand(key, 'ticket')).not.toEqual(expand(key, 'as-req'))
  })

  it.each([0, 31, 33])('do not have %i bytes', length => {
    expect(() => new LongTermKey(new Uint8Array(length))).toThrow(TypeError)
  })

  it('accept a MAC only for its usage and message', () => {
    const part = new Uint8Array([1, 2, 3])
    const mac = createMac(key, 'as-req', part)
    expect(isMac(key, 'as-req', mac, part)).toBe(true)
    expect(isMac(key, 'error', mac, part)).toBe(false)
    expect(isMac(key, 'as-req', mac.subarray(0, 31), part)).toBe(false)
    for (let i = 0; i < mac.length; i++) {
      const altered = mac.slice()
      altered[i] = (altered[i] as number) ^ 1
      expect(isMac(key, 'as-req', altered, part)).toBe(false)
    }
  })
})

describe('what is kept beside a key', () => {
  const caveat = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)
  const session = (): SessionKey => new SessionKey(new Uint8Array(32).fill(7))

  it('is the chain without caveats, which most tickets are presented with', () => {
    const key = session()
    expect(deriveAuthKey(key, [])).toBe(deriveAuthKey(key, []))
  })

  it('is not a chain with caveats that nobody proved', () => {
    const key = session()
    expect(deriveAuthKey(key, [caveat(1)])).not.toBe(deriveAuthKey(key, [caveat(1)]))
  })

  it('is a copy of a chain that was proved, found only by equal bytes', () => {
    const key = session()
    const presented = [caveat(1, 2), caveat(3)]
    const authKey = deriveAuthKey(key, presented)
    const kept = keepChain(key, presented, authKey)
    expect(kept).toEqual(presented)
    presented[0]?.fill(9)
    expect(kept).toEqual([caveat(1, 2), caveat(3)])
    expect(deriveAuthKey(key, [caveat(1, 2), caveat(3)])).toBe(authKey)
    expect(keepChain(key, [caveat(1, 2), caveat(3)], authKey)).toBe(kept)
    for (const other of [
      presented,
      [caveat(1, 2)],
      [caveat(3), caveat(1, 2)],
      [caveat(1, 2), caveat(4)],
      [caveat(1, 2), caveat(3), caveat(3)],
      [caveat(1, 2), caveat(3), caveat()],
      [caveat(1), caveat(2, 3)],
      [],
    ]) {
      expect(revealKey(deriveAuthKey(key, other))).not.toEqual(revealKey(authKey))
    }
  })

  it('is four chains, and the fifth takes the place of the oldest', () => {
    const key = session()
    const keep = (byte: number): AuthKey => {
      const authKey = deriveAuthKey(key, [caveat(byte)])
      keepChain(key, [caveat(byte)], authKey)
      return authKey
    }
    const kept = [1, 2, 3, 4].map(keep)
    expect([1, 2, 3, 4].map(byte => deriveAuthKey(key, [caveat(byte)]))).toEqual(kept)
    for (const [i, one] of kept.entries()) expect(deriveAuthKey(key, [caveat(i + 1)])).toBe(one)
    const fifth = keep(5)
    expect(deriveAuthKey(key, [caveat(5)])).toBe(fifth)
    expect(deriveAuthKey(key, [caveat(2)])).toBe(kept[1])
    expect(deriveAuthKey(key, [caveat(1)])).not.toBe(kept[0])
  })

  it('is not a chain whose caveats are long, whoever proved it', () => {
    const key = session()
    for (const [bytes, isKept] of [
      [256, true],
      [257, false],
    ] as const) {
      const presented = [new Uint8Array(200), new Uint8Array(bytes - 200)]
      const authKey = deriveAuthKey(key, presented)
      const kept = keepChain(key, presented, authKey)
      expect(kept === presented).toBe(!isKept)
      expect(deriveAuthKey(key, presented) === authKey).toBe(isKept)
    }
  })

  it('is the last combined key that was proved, for these two tickets in this order', () => {
    const [own, other, third] = [1, 2, 3].map(fill => new AuthKey(new Uint8Array(32).fill(fill))) as [
      AuthKey,
      AuthKey,
      AuthKey,
    ]
    const both = combineAuthKeys(own, other)
    expect(combineAuthKeys(own, other)).not.toBe(both)
    keepCombination(own, other, both)
    expect(combineAuthKeys(own, other)).toBe(both)
    const others = combineAuthKeys(third, other)
    expect(revealKey(others)).not.toEqual(revealKey(both))
    expect(revealKey(combineAuthKeys(other, own))).not.toEqual(revealKey(both))
    keepCombination(third, other, others)
    expect(combineAuthKeys(third, other)).toBe(others)
    expect(combineAuthKeys(own, other)).not.toBe(both)
  })
})
