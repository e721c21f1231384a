import { describe, expect, it } from 'vitest'
import { isForTlsAlone, originsOf, placeToOpen } from '../../../cli/console/hosts.js'

/** By which names a browser may call the console, and of which origin its pages then are. */

const plain = { named: [], tls: false }

describe('a console on 127.0.0.1', () => {
  it.each([
    ['127.0.0.1:8760', 'http://127.0.0.1:8760'],
    ['localhost:8760', 'http://localhost:8760'],
    ['LOCALHOST:8760', 'http://localhost:8760'],
    ['[::1]:8760', 'http://[::1]:8760'],
    // Through a tunnel of ssh, which has a port of its own.
    ['localhost:9000', 'http://localhost:9000'],
  ])('is called %s', (host, origin) => {
    expect(originsOf(host, '127.0.0.1', plain)).toEqual([origin])
  })

  it.each([
    undefined,
    '',
    'evil.example:8760',
    'localhost.evil.example',
    '127.0.0.1.evil.example:8760',
    '127.0.0.1@evil.example',
    '192.0.2.7:8760',
    'localhost:8760, evil.example',
    'localhost:8760/',
    'localhost:',
    'local host',
    '[::1',
  ])('is not called %s', host => {
    expect(originsOf(host, '127.0.0.1', plain)).toEqual([])
  })
})

describe('a console that other machines reach', () => {
  it('is called by the address that the connection came in at', () => {
    const tls = { named: [], tls: true }
    expect(originsOf('192.0.2.7:8760', '192.0.2.7', tls)).toEqual(['https://192.0.2.7:8760'])
    expect(originsOf('192.0.2.7:8760', '::ffff:192.0.2.7', tls)).toEqual(['https://192.0.2.7:8760'])
    expect(originsOf('192.0.2.8:8760', '192.0.2.7', tls)).toEqual([])
  })

  it('is called by the names that were added, with any port or with the one that was', () => {
    const added = { named: ['kdc.example', 'other.example:444'], tls: true }
    expect(originsOf('kdc.example', '192.0.2.7', added)).toEqual(['https://kdc.example'])
    expect(originsOf('KDC.example:8760', '192.0.2.7', added)).toEqual(['https://kdc.example:8760'])
    expect(originsOf('other.example:444', '192.0.2.7', added)).toEqual(['https://other.example:444'])
    expect(originsOf('other.example', '192.0.2.7', added)).toEqual([])
  })

  it('is called by the name alone that was added with the port that a browser leaves out', () => {
    const added = { named: ['kdc.example:443'], tls: true }
    expect(originsOf('kdc.example', '192.0.2.7', added)).toEqual(['https://kdc.example'])
    expect(originsOf('kdc.example:8443', '192.0.2.7', added)).toEqual([])
  })

  it.each([
    ['0.0.0.0', ['kdc.example'], 'kdc.example:8760'],
    ['::', ['kdc.example:443', 'other.example'], 'kdc.example:443'],
    ['::', [], '[::]:8760'],
    ['192.0.2.7', ['kdc.example'], '192.0.2.7:8760'],
  ])('at %s with the names %j is opened at %s', (host, named, place) => {
    expect(placeToOpen(host, 8760, named)).toBe(place)
  })

  it('is of an origin with TLS if a proxy in front of it speaks that', () => {
    const proxied = { named: ['kdc.example'], tls: false }
    expect(originsOf('kdc.example', '192.0.2.7', proxied)).toEqual([
      'https://kdc.example',
      'http://kdc.example',
    ])
  })
})

describe('a name that was added for the console', () => {
  const named = [
    'console.example',
    'other.example:444',
    'localhost',
    'here.localhost',
    '192.0.2.7',
    '[2001:db8::7]',
  ]

  it.each([
    ['console.example', true],
    ['CONSOLE.example:8760', true],
    ['other.example:444', true],
    ['other.example', false],
    ['kdc.example', false],
    // Other ports of these are of other programs.
    ['localhost:8760', false],
    ['here.localhost', false],
    ['192.0.2.7', false],
    ['[2001:db8::7]:8760', false],
    [undefined, false],
  ])('is asked for by TLS alone, as %s is: %s', (host, isAlone) => {
    expect(isForTlsAlone(host, { named, tls: true })).toBe(isAlone)
    expect(isForTlsAlone(host, { named, tls: false })).toBe(false)
  })
})
