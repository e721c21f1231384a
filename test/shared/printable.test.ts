import { describe, expect, it } from 'vitest'
import { printable, printableJson, printableLine } from '../../shared/printable.js'

/** Each of them moves a cursor, hides or colours text, answers for the user, ends a line or turns a direction. */
const OBEYED = [
  0x00, 0x07, 0x08, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x90, 0x9b, 0x9d, 0x9f, 0x61c, 0x200e,
  0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069,
]

describe('text from elsewhere', () => {
  it.each(OBEYED.map(code => [code.toString(16)]))('has the character %s written out', hex => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    const written = `a\\u${hex.padStart(4, '0')}b`
    expect(printable(`a${character}b`)).toBe(written)
    expect(printableLine(`a${character}b`)).toBe(written)
    const json = printableJson({ [`a${character}`]: `a${character}b` })
    expect(json).not.toContain(character)
    expect(JSON.parse(json)).toEqual({ [`a${character}`]: `a${character}b` })
  })

  it('stays as it is otherwise, in any script', () => {
    const text = 'plain, “quoted”, größer, 日本語, עברית, 🔑, back\\slash'
    expect(printable(`${text}\n\t${text}`)).toBe(`${text}\n\t${text}`)
    expect(printableLine(text)).toBe(text)
    expect(printableJson({ text })).toBe(JSON.stringify({ text }))
  })

  it.each([
    ['a space of no width', '\u{200b}', '\\u200b'],
    ['a soft hyphen', '\u{ad}', '\\u00ad'],
    ['a joiner', '\u{2060}', '\\u2060'],
    ['a choice of form', '\u{fe0f}', '\\ufe0f'],
    ['a filler of Hangul', '\u{3164}', '\\u3164'],
    ['an empty cell of Braille', '\u{2800}', '\\u2800'],
    ['a letter of a tag', '\u{e0041}', '\\udb40\\udc41'],
  ])('cannot pass for another one by %s', (_, character, written) => {
    expect(printable(`ad${character}min`)).toBe(`ad${written}min`)
    expect(printableLine(`ad${character}min`)).toBe(`ad${written}min`)
    const json = printableJson({ role: `ad${character}min` })
    expect(json).toBe(`{"role":"ad${written}min"}`)
    expect(JSON.parse(json)).toEqual({ role: `ad${character}min` })
  })

  it('cannot look like a line of its own', () => {
    expect(printableLine('a\nb\tc')).toBe('a\\u000ab\\u0009c')
  })
})
