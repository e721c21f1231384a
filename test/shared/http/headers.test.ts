import { describe, expect, it } from 'vitest'
import {
  formatChallenge,
  formatMessageHeader,
  parseChallenge,
  parseMessageHeader,
  statusOf,
} from '../../../shared/http/headers.js'
import { parseRealm } from '../../../shared/principal.js'
import { hex } from '../../vectors.js'

describe('header texts', () => {
  const realm = parseRealm('demo.example')

  it('carry a message', () => {
    const bytes = hex('0108ff')
    expect(parseMessageHeader(formatMessageHeader(bytes))).toEqual(bytes)
    expect(parseMessageHeader('orthrus AQj_')).toEqual(bytes)
  })

  it.each([undefined, '', 'Bearer x', 'Orthrus', 'OrthrusAQ', 'Orthrus a b'])('carry none in %j', value => {
    expect(parseMessageHeader(value)).toBeUndefined()
  })

  it('are too large over 8 KiB', () => {
    expect(parseMessageHeader(`Orthrus ${'A'.repeat(8192)}`)).toHaveLength(6144)
    expect(() => parseMessageHeader(`Orthrus ${'A'.repeat(8193)}`)).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    )
    expect(() => parseMessageHeader('Orthrus A=')).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('challenge', () => {
    expect(formatChallenge({ realm })).toBe('Orthrus realm="demo.example"')
    expect(parseChallenge('Orthrus realm="demo.example"')).toEqual({ realm })
    const whole = { realm, code: 'replay' as const, error: hex('0105') }
    expect(formatChallenge(whole)).toBe('Orthrus realm="demo.example", error="replay", message="AQU"')
    expect(parseChallenge(formatChallenge(whole))).toEqual(whole)
    expect(parseChallenge('Basic realm="x"')).toBeUndefined()
    expect(parseChallenge(undefined)).toBeUndefined()
  })

  it.each([
    'Orthrus',
    'Orthrus realm="A"',
    'Orthrus realm="a", error="nonsense", message="AQ"',
    'Orthrus realm="a", x',
  ])('are malformed: %s', value => {
    expect(() => parseChallenge(value)).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it.each([
    ['malformed', 400],
    ['caveat_failed', 403],
    ['delegation_invalid', 403],
    ['not_authorized', 403],
    ['too_large', 413],
    ['rate_limited', 429],
    ['unavailable', 503],
    ['replay', 401],
    ['clock_skew', 401],
  ] as const)('%s is status %i', (code, status) => {
    expect(statusOf(code)).toBe(status)
  })
})
