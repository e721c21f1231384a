import { describe, expect, it } from 'vitest'
import {
  collectClaims,
  collectNames,
  parseClaim,
  parseDuration,
  parseInstant,
  parseList,
  parseListen,
  parseMethods,
  parseOrigin,
  parsePaths,
  parseSize,
} from '../../cli/arguments.js'
import { parseHeader } from '../../cli/request-line.js'
import { writeDuration } from '../../shared/administration/policy-text.js'
import { formatDuration } from '../../shared/time.js'

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
  ])('%i is written as %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text)
  })

  it.each(['1s', '90s', '15m', '90m', '1h', '36h', '7d'])('%s is typed as it was', text => {
    expect(writeDuration(parseDuration(text))).toBe(text)
  })

  it('that is not a whole second is written without loss', () => {
    expect(writeDuration(1_500)).toBe('1500ms')
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
    expect(parsePaths('/a,/b/c')).toEqual(['/a', '/b/c'])
    expect(parseHeader('A: b: c')).toEqual([['A', 'b: c']])
    expect(collectNames('role', ['tier'])).toEqual(['tier', 'role'])
    expect(parseOrigin('https://app.example:443/', ['http://[::1]:3000'])).toEqual([
      'http://[::1]:3000',
      'https://app.example',
    ])
    expect(parseOrigin('moz-extension://some-id')).toEqual(['moz-extension://some-id'])
  })

  it.each([
    ['512', 512],
    ['64k', 65_536],
    ['8M', 8_388_608],
    ['1G', 1_073_741_824],
  ])('the size %s is read', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each([
    ['list', () => parseList('a,,b')],
    ['methods', () => parseMethods('get')],
    ['date', () => parseInstant('tomorrow')],
    ['date that is none', () => parseInstant('2027-13-01')],
    ['day that does not exist', () => parseInstant('2027-02-31')],
    ['day that does not exist, with a time', () => parseInstant('2027-02-30T12:00:00Z')],
    ['path without a slash', () => parsePaths('/a,b')],
    ['path with two readings', () => parsePaths('/a/../b')],
    ['size of nothing', () => parseSize('0')],
    ['size in an unknown unit', () => parseSize('1m')],
    ['size beyond all bounds', () => parseSize('9999999999999G')],
    ['header without a name', () => parseHeader(': x')],
    ['header without a colon', () => parseHeader('x')],
    ['header with a space in its name', () => parseHeader('a b: x')],
    ['header with a line break', () => parseHeader('a: x\ny')],
    ['header that the client sets itself', () => parseHeader('Authorization: x')],
    ['origin with a path', () => parseOrigin('https://app.example/x')],
    ['origin without a scheme', () => parseOrigin('app.example')],
    ['origin that is every origin', () => parseOrigin('*')],
    ['origin that is a pattern', () => parseOrigin('http://*.example')],
    ['origin of extensions that is a pattern', () => parseOrigin('moz-extension://*')],
    ['origin of pages that have none', () => parseOrigin('null')],
    ['name of a claim with a value', () => collectNames('role=x')],
    ['port', () => parseListen('127.0.0.1:65536')],
    ['address without a port', () => parseListen('127.0.0.1')],
    ['IPv6 address without brackets', () => parseListen('::1:80')],
  ])('are refused: %s', (_, read) => {
    expect(read).toThrow(/Write|Methods|Paths|No header|sets Authorization/)
  })
})
