import { describe, expect, it } from 'vitest'
import { EVERYONE, isPattern, patternIn, patternsOf, shortPattern } from '../../shared/pattern.js'
import { parsePrincipal, parseRealm } from '../../shared/principal.js'

/** What a rule of policy may name, in its only spelling, and which principals it matches. */

const DEMO = parseRealm('demo.example')

describe('a pattern', () => {
  it.each(['*', 'web@demo.example', 'web/1@demo.example', 'web/*@demo.example', 'web/*@other.example'])(
    'is %s',
    text => {
      expect(isPattern(text)).toBe(true)
      expect(patternIn(DEMO, text)).toBe(text)
    },
  )

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
  ])('is not %j', text => {
    expect(isPattern(text)).toBe(false)
  })

  it.each([
    ['web', 'web@demo.example'],
    ['web/1', 'web/1@demo.example'],
    ['web/*', 'web/*@demo.example'],
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
        new TypeError(`neither a principal nor a pattern: ${shown}; write web, web/1, web/* or *`),
      )
    },
  )
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
