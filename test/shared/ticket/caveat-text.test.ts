import { describe, expect, it } from 'vitest'
import { parsePrincipal } from '../../../shared/principal.js'
import { caveatText, claimText, plainText } from '../../../shared/ticket/caveat-text.js'
import type { Caveat } from '../../../shared/ticket/caveats.js'

const principal = parsePrincipal('orders@test.example')

describe('a caveat in words', () => {
  it.each<[Caveat, string]>([
    [{ name: 'expires', time: 0 }, 'expires 1970-01-01T00:00:00.000Z'],
    [{ name: 'expires', time: Number.MAX_SAFE_INTEGER }, 'expires 9007199254740991'],
    [{ name: 'services', services: [principal] }, 'services orders@test.example'],
    [{ name: 'methods', methods: ['GET', 'HEAD'] }, 'methods GET, HEAD'],
    [{ name: 'methods', methods: [] }, 'methods (none)'],
    [{ name: 'methods', methods: [''] }, 'methods ""'],
    [{ name: 'paths', prefixes: ['/a/b-c', '/d%20e'] }, 'paths /a/b-c, /d%20e'],
    [{ name: 'claims', claims: ['rôle', '役割'] }, 'claims rôle, 役割'],
    [{ name: 'holder', holder: principal }, 'delegate orders@test.example'],
    [{ name: 'app', app: 'tenant', value: 'acme' }, 'app tenant = acme'],
    [{ name: 'app', app: 'a b', value: [1, [true], null] }, 'app "a b" = [1, [true], null]'],
    [{ name: 'app', app: 'x', value: new Uint8Array([0, 255]) }, 'app x = bytes 00ff'],
  ])('%j', (caveat, text) => {
    expect(caveatText(caveat)).toBe(text)
  })

  it.each<[string, string]>([
    ['GET, POST', '"GET, POST"'],
    ['(none)', '"(none)"'],
    ['a"b', '"a\\"b"'],
    ['a\u001b[2J', '"a\\u001b[2J"'],
    ['a\u009b2J', '"a\\u{9b}2J"'],
    ['a\u202eb', '"a\\u{202e}b"'],
    ['a\u200bb', '"a\\u{200b}b"'],
    ['a\u2028b\u00a0', '"a\\u{2028}b\\u{a0}"'],
    ['\u{e0041}', '"\\u{e0041}"'],
    ['admin\u3164', '"admin\\u{3164}"'],
    ['admin\u034f', '"admin\\u{34f}"'],
    ['admin\u2800', '"admin\\u{2800}"'],
    ['', '""'],
  ])('quotes what could be taken for something else: %j', (text, quoted) => {
    expect(plainText(text)).toBe(quoted)
    expect(claimText(text, text)).toBe(`${quoted} = ${quoted}`)
    expect(claimText(text, [text, 'b'])).toBe(`${quoted} = [${quoted}, b]`)
  })
})
