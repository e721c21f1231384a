import { describe, expect, it } from 'vitest'
import { EVERYONE, isPattern, parseGroup, patternIn, patternsOf, shortPattern } from '../../shared/pattern.js'
import { parsePrincipal, parseRealm } from '../../shared/principal.js'

/** What a rule of policy may name, in its only spelling, and which principals it matches. */

const DEMO = parseRealm('demo.example')

describe('a pattern', () => {
  it.each([
    '*',
    '@backend',
    '@b_1-x',
    'web@demo.example',
    'web/1@demo.example',
    'web/*@demo.example',
    'web/*@other.example',
  ])('is %s', text => {
    expect(isPattern(text)).toBe(true)
    expect(patternIn(DEMO, text)).toBe(text)
  })

  it.each([
    '',
    'web',
    'web/*',
    '**',
    '*/*@demo.example',
    '*@demo.example',
    'w*@demo.example',
    'web*@demo.example',
    'web/1*@demo.example',
    'web/**@demo.example',
    'web/*/*@demo.example',
    '*/1@demo.example',
    'web/*@*',
    'web/*@',
    'Web/*@demo.example',
    'web/*@demo.example ',
    'web/0@demo.example/*@',
    '@demo.example',
    '@',
    '@@backend',
    '@Backend',
    '@backend/*',
    '@-backend',
    '@backend@demo.example',
    `@${'a'.repeat(64)}`,
  ])('is not %j', text => {
    expect(isPattern(text)).toBe(false)
  })

  it.each([
    ['web', 'web@demo.example'],
    ['web/1', 'web/1@demo.example'],
    ['web/*', 'web/*@demo.example'],
    ['@backend', '@backend'],
    ['*', EVERYONE],
  ])('written %s means %s of the realm, and is shown so', (short, whole) => {
    expect(patternIn(DEMO, short)).toBe(whole)
    expect(shortPattern(DEMO, patternIn(DEMO, whole))).toBe(short)
  })

  it('of another realm is shown whole', () => {
    for (const text of ['web@other.example', 'web@sub.demo.example', '*']) {
      expect(shortPattern(DEMO, patternIn(DEMO, text))).toBe(text)
    }
  })

  it.each(['', 'Web', 'w*', 'web/', '*@demo.example', 'web@', `${'w'.repeat(99)}!`])(
    'cannot be written %j',
    text => {
      const shown = JSON.stringify(text.slice(0, 80))
      expect(() => patternIn(DEMO, text)).toThrow(
        new TypeError(`neither a principal nor a pattern: ${shown}; write web, web/1, web/*, @backend or *`),
      )
    },
  )
})

describe('a group', () => {
  it('is written with or without its sign', () => {
    expect(['backend', '@backend'].map(parseGroup)).toEqual(['@backend', '@backend'])
    for (const text of ['', '@', 'web@demo.example', 'web/1', 'a.b', '@a.b'])
      expect(() => parseGroup(text)).toThrow(TypeError)
  })

  it('of the name of the realm is shown as a group', () => {
    const realm = parseRealm('backend')
    expect(shortPattern(realm, patternIn(realm, '@backend'))).toBe('@backend')
    expect(shortPattern(realm, patternIn(realm, 'web'))).toBe('web')
  })

  it('stands between the instances of a name and everyone, and never for the KDC', () => {
    const groups = [parseGroup('a'), parseGroup('b')]
    const of = (name: string) => patternsOf(parsePrincipal(`${name}@demo.example`), groups)
    expect(of('web')).toEqual(['web@demo.example', '@a', '@b', '*'])
    expect(of('web/1')).toEqual(['web/1@demo.example', 'web/*@demo.example', '@a', '@b', '*'])
    expect([of('kdc'), of('krbtgt')]).toEqual([['kdc@demo.example'], ['krbtgt@demo.example']])
  })
})

describe('the patterns that match a principal, the most specific first', () => {
  it.each([
    ['web@demo.example', ['web@demo.example', '*']],
    ['web/1@demo.example', ['web/1@demo.example', 'web/*@demo.example', '*']],
    ['web/1@other.example', ['web/1@other.example', 'web/*@other.example', '*']],
    ['krbtgt@demo.example', ['krbtgt@demo.example']],
    ['kdc@demo.example', ['kdc@demo.example']],
  ])('%s', (name, expected) => {
    expect(patternsOf(parsePrincipal(name))).toEqual(expected)
  })
})
