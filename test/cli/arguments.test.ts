import { describe, expect, it } from 'vitest'
import {
  collectClaims,
  formatDuration,
  parseClaim,
  parseDuration,
  parseInstant,
  parseList,
  parseListen,
  parseMethods,
} from '../../cli/arguments.js'

describe('durations', () => {
  it.each([
    ['1s', 1_000],
    ['90s', 90_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
  ])('%s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  it.each(['', '0s', '-1s', '1', 'h', '1.5h', '1 h', '1H', '1w', '9999999999s', '1h30m'])(
    'refuses %j',
    text => {
      expect(() => parseDuration(text)).toThrow(/Write a time as/)
    },
  )

  it.each([
    [0, '0 s'],
    [1_500, '1 s'],
    [119_999, '119 s'],
    [120_000, '2 min'],
    [3_599_000, '59 min'],
    [7_200_000, '2 h'],
    [604_800_000, '7 d'],
  ])('%i is said as %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text)
  })
})

describe('claims', () => {
  it.each([
    ['role=reader', ['role', 'reader']],
    ['role=', ['role', '']],
    ['formula=a=b', ['formula', 'a=b']],
    ['tier:=3', ['tier', 3]],
    ['on:=true', ['on', true]],
    ['off:=false', ['off', false]],
    ['__proto__=x', ['__proto__', 'x']],
  ])('%s', (text, claim) => {
    expect(parseClaim(text)).toEqual([claim])
  })

  it.each(['role', '=x', ':=3', 'tier:=03', 'tier:=-1', 'tier:=1.5', 'tier:=null', 'tier:=9007199254740992'])(
    'refuses %j',
    text => {
      expect(() => parseClaim(text)).toThrow()
    },
  )

  it('come in the order of their names, and as a list where a name is repeated', () => {
    const claims = ['z=1', 'a=x', 'a=y', 'tier:=3'].reduce<ReturnType<typeof parseClaim>>(
      (before, text) => parseClaim(text, before),
      [],
    )
    expect(collectClaims(claims)).toEqual([
      ['a', ['x', 'y']],
      ['tier', 3],
      ['z', '1'],
    ])
  })

  it('are lists of texts only', () => {
    expect(() =>
      collectClaims([
        ['a', 1],
        ['a', 'x'],
      ]),
    ).toThrow(TypeError)
  })
})

describe('lists, methods, dates and addresses', () => {
  it('are read', () => {
    expect(parseList('/a, /b')).toEqual(['/a', '/b'])
    expect(parseMethods('GET,HEAD')).toEqual(['GET', 'HEAD'])
    expect(parseInstant('2027-01-31')).toBe(Date.UTC(2027, 0, 31))
    expect(parseInstant('2027-01-31T12:00:00Z')).toBe(Date.UTC(2027, 0, 31, 12))
    expect(parseListen('127.0.0.1:8750')).toEqual({ host: '127.0.0.1', port: 8750 })
    expect(parseListen('[::1]:0')).toEqual({ host: '::1', port: 0 })
  })

  it.each([
    ['list', () => parseList('a,,b')],
    ['methods', () => parseMethods('get')],
    ['date', () => parseInstant('tomorrow')],
    ['date that is none', () => parseInstant('2027-13-01')],
    ['day that does not exist', () => parseInstant('2027-02-31')],
    ['day that does not exist, with a time', () => parseInstant('2027-02-30T12:00:00Z')],
    ['port', () => parseListen('127.0.0.1:65536')],
    ['address without a port', () => parseListen('127.0.0.1')],
    ['IPv6 address without brackets', () => parseListen('::1:80')],
  ])('are refused: %s', (_, read) => {
    expect(read).toThrow(/Write|Methods/)
  })
})
