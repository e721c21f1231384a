import { describe, expect, it } from 'vitest'
import {
  formatChallenge,
  formatMessageHeader,
  parseChallenges,
  parseMessageHeader,
  parseMessages,
  statusOf,
} from '../../../shared/http/headers.js'
import { parseRealm } from '../../../shared/principal.js'
import { hex } from '../../vectors.js'

describe('header texts', () => {
  const realm = parseRealm('demo.example')
  const whole = { realm, code: 'replay' as const, error: hex('0105') }

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
    expect(parseChallenges('Orthrus realm="demo.example"')).toEqual([{ realm }])
    expect(formatChallenge(whole)).toBe('Orthrus realm="demo.example", error="replay", message="AQU"')
    expect(parseChallenges(formatChallenge(whole))).toEqual([whole])
  })

  it.each([
    '',
    'Basic realm="x"',
    'Orthrus',
    'Orthrus realm="A"',
    'Orthrus realm="a", error="nonsense", message="AQ"',
    'Orthrus realm="a", error="replay", message="A="',
    'NotOrthrus realm="a"',
  ])('do not challenge: %s', value => {
    expect(parseChallenges(value)).toEqual([])
  })

  const OURS = formatChallenge(whole)
  it.each([
    ['before', `Basic realm="x", ${OURS}`],
    ['behind', `${OURS}, Negotiate AAAA==, Basic realm="x"`],
    ['on both sides', `Digest realm="a, b", nonce="\\"", ${OURS}, Bearer`],
    ['before, with a quote that does not end', `Basic realm="x, ${OURS}`],
    ['before, under our name', `Orthrus realm=", ${OURS}`],
    ['before, under our name and nothing else', `Orthrus, orthrus, ${OURS}`],
    ['behind, as more of ours', `${OURS}, error="unavailable", message="AAAA", realm="x"`],
    ['in other spelling', OURS.replace('Orthrus', 'ORTHRUS').replace(', error', ' ,  ERROR')],
  ])('are found among what others put: %s', (_, value) => {
    expect(parseChallenges(value)).toContainEqual(whole)
    expect(parseChallenges(`${value}, ${formatChallenge({ realm })}`)).toContainEqual(whole)
  })

  it.each([
    ['before', 'nextnonce="x", Orthrus AQj_'],
    ['behind', 'Orthrus AQj_, nextnonce="x", qop=auth'],
    ['with a quote that does not end', 'nextnonce="x, Orthrus AQj_'],
    ['under our name', 'Orthrus Orthrus, Orthrus A=, Orthrus, orthrus AQj_'],
  ])('are found in Authentication-Info among what others put: %s', (_, value) => {
    expect(parseMessages(value)).toContainEqual(hex('0108ff'))
  })

  it('need no long search, whatever they are', () => {
    const pieces = [
      'orthrus ',
      'orthrus a="',
      'Orthrus realm="a", ',
      ' ',
      'orthrus a="",',
      'Orthrus AAAA ',
      '"',
      ',',
    ]
    for (const piece of pieces) {
      const value = piece.repeat(Math.ceil(65_536 / piece.length))
      const began = performance.now()
      parseChallenges(value)
      parseMessages(value)
      expect(performance.now() - began, piece).toBeLessThan(2_000)
    }
  })

  it('are looked for at 64 places only', () => {
    const wrong = 'Orthrus A=, '
    expect(parseMessages(`${wrong.repeat(63)}Orthrus AQj_`)).toEqual([hex('0108ff')])
    expect(parseMessages('Orthrus AQj_, '.repeat(1_000))).toHaveLength(64)
    expect(parseChallenges(`${OURS}, `.repeat(1_000))).toHaveLength(64)
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
