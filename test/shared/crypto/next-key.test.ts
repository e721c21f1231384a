import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { deriveNextKey } from '../../../shared/crypto/derive.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'

const { nextKey } = JSON.parse(readFileSync(new URL('../../vectors/join.json', import.meta.url), 'utf8')) as {
  nextKey: { key: string; salt: string; next: string }[]
}
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

it('the next key is derived from the one before and a salt, byte for byte as the vectors have it', () => {
  expect(nextKey).toHaveLength(2)
  for (const { key, salt, next } of nextKey) {
    const derived = deriveNextKey(new LongTermKey(bytes(key)), bytes(salt))
    expect(Buffer.from(revealKey(derived)).toString('hex')).toBe(next)
  }
})
