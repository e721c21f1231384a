import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isInside, isPlainPath, pathOf } from '../../../shared/ticket/caveat-path.js'

/** Which paths have one meaning, and which of them are inside a prefix. */

/** All that RFC 3986 calls pchar but for letters and digits. */
const MARKS = "-._~!$&'()*+,;=:@"

describe('a path', () => {
  it.each([
    '/',
    '/a',
    '/a/',
    '/a/b/',
    '/Az09',
    `/x${MARKS}`,
    '/%20',
    '/%aF%Fa',
    '/%41%2d%20/%7e',
    '/...',
    '/.a',
    '/a.',
    '/..a',
    '/a..',
    '/a/.../b',
    '/a;.',
    '/a;..',
    '/a.;b',
  ])('%s has one meaning', path => {
    expect(isPlainPath(path)).toBe(true)
  })

  it.each([
    '',
    'a',
    'a/b',
    '*',
    'http://x/a',
    '//',
    '//a',
    '/a//b',
    '/a//',
    '/a b',
    '/a\n',
    '\n/a',
    '/a?b',
    '/a#b',
    '/a\\b',
    '/a"b',
    '/a<b',
    '/a[b]',
    '/a^b',
    '/a`b',
    '/a{b}',
    '/a|b',
    '/\u00e9',
    '/%',
    '/%4',
    '/%4g',
    '/%g4',
    '/a%',
    '/%00',
    '/a%25b',
    '/a%2eb',
    '/a%2Eb',
    '/a%2fb',
    '/a%2Fb',
    '/a%5cb',
    '/a%5Cb',
    '/.',
    '/..',
    '/./',
    '/../',
    '/a/.',
    '/a/..',
    '/a/./b',
    '/a/../b',
    '/.;a',
    '/..;a',
    '/a/..;b/c',
    '/.;',
  ])('%j could have two meanings', path => {
    expect(isPlainPath(path)).toBe(false)
    expect(isInside(path, ['/', path])).toBe(false)
  })

  it('has only pchars and slashes', () => {
    const plain = new Set(`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/${MARKS}`)
    for (let code = 0; code < 0x180; code++) {
      const character = String.fromCharCode(code)
      expect(isPlainPath(`/a${character}a`), `U+${code.toString(16)}`).toBe(plain.has(character))
    }
  })

  it('is the target up to its question mark', () => {
    expect(pathOf(undefined)).toBeUndefined()
    expect(pathOf('/a/b')).toBe('/a/b')
    expect(pathOf('/a?b?c')).toBe('/a')
    expect(pathOf('?a')).toBe('')
  })
})

describe('inside', () => {
  it.each<[string, string[], boolean]>([
    ['/a', ['/a'], true],
    ['/a', ['/a/'], true],
    ['/a/', ['/a'], true],
    ['/a/', ['/a/'], true],
    ['/a/b', ['/a'], true],
    ['/a/b', ['/a/'], true],
    ['/a', ['/'], true],
    ['/', ['/'], true],
    ['/a', ['/x', '/a'], true],
    ['/a', [], false],
    ['/', ['/a'], false],
    ['/ab', ['/a'], false],
    ['/ab', ['/a/'], false],
    ['/a', ['/a/b'], false],
    ['/x/a', ['/a'], false],
    ['/A', ['/a'], false],
    ['/a%20', ['/a'], false],
  ])('%s, prefixes %j: %s', (path, prefixes, expected) => {
    expect(isInside(path, prefixes)).toBe(expected)
  })

  it('is no missing path', () => {
    expect(isInside(undefined, ['/'])).toBe(false)
  })

  it('is whatever continues a prefix at a slash, and nothing else', () => {
    const segment = fc.string({ unit: fc.constantFrom('a', 'b', '-', '%41'), minLength: 1, maxLength: 4 })
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map(segments => `/${segments.join('/')}`)
    fc.assert(
      fc.property(path, path, segment, (prefix, rest, more) => {
        expect(isInside(prefix + rest, [prefix])).toBe(true)
        expect(isInside(prefix + rest, [`${prefix}/`])).toBe(true)
        expect(isInside(prefix + more, [prefix])).toBe(false)
      }),
    )
  })
})
