import { describe, expect, it } from 'vitest'
import {
  isPrincipal,
  isReserved,
  parsePrincipal,
  parseRealm,
  principalIn,
  realmOf,
} from '../../shared/principal.js'
import { vectors } from '../vectors.js'

const { good, bad } = vectors<{ good: string[]; bad: string[] }>('principals')
const demo = parseRealm('demo.example')

describe('principals', () => {
  it.each(good)('accepts %j', text => {
    expect(parsePrincipal(text)).toBe(text)
  })

  it.each(bad)('refuses %j', text => {
    expect(isPrincipal(text)).toBe(false)
    expect(() => parsePrincipal(text)).toThrow(TypeError)
  })

  it('ends at 253 characters of realm', () => {
    const label = 'd'.repeat(49)
    const realm = `${label}.${label}.${label}.${label}.${'d'.repeat(53)}`
    expect(realm).toHaveLength(253)
    expect(isPrincipal(`a@${realm}`)).toBe(true)
    expect(isPrincipal(`a@${realm}d`)).toBe(false)
  })

  it('reads a short name within a realm', () => {
    expect(principalIn(demo, 'web/1')).toBe('web/1@demo.example')
    expect(realmOf(principalIn(demo, 'web@other.example'))).toBe('other.example')
    expect(() => principalIn(demo, 'Web')).toThrow(TypeError)
  })

  it.each(['krbtgt@a', 'kdc@a'])('keeps %s for the KDC', name => {
    expect(isReserved(parsePrincipal(name))).toBe(true)
  })

  it('does not fold names that look alike', () => {
    expect(isReserved(parsePrincipal('kdc/1@a'))).toBe(false)
  })
})
