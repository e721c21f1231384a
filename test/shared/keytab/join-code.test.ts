import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { toBase64url } from '../../../shared/bytes.js'
import { checkOf } from '../../../shared/crypto/check.js'
import { revealKey } from '../../../shared/crypto/keys.js'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import { formatJoinCode, type JoinCode, parseJoinCode } from '../../../shared/keytab/join-code.js'
import { fromJson, type Json, vectors } from '../../vectors.js'

const { good, bad } = vectors<{ good: { text: string; fields: Json[] }[]; bad: string[] }>('join')

function fieldsOf({ invitation, endsAt, kdc }: JoinCode): Value[] {
  return [invitation.principal, invitation.kvno, revealKey(invitation.key), endsAt, [...kdc]]
}

function textOf(fields: readonly Value[]): string {
  const array = encode([...fields])
  return `orthrusjoin1_${toBase64url(Buffer.concat([array, checkOf(array)]))}`
}

describe('a join code', () => {
  it.each(good.map(vector => [vector] as const))('is read and written as the vectors have it', vector => {
    const code = parseJoinCode(vector.text)
    expect(fieldsOf(code)).toEqual(vector.fields.map(fromJson))
    expect(formatJoinCode(code)).toBe(vector.text)
  })

  it.each(bad.map(text => [text] as const))('is refused: %s', text => {
    expect(() => parseJoinCode(text)).toThrow(expect.objectContaining({ code: 'credential_invalid' }))
  })

  const [first] = good
  const text = first?.text ?? ''
  const fields = (first?.fields ?? []).map(fromJson)

  it('is refused wherever it is cut off, or a character of it is another one', () => {
    for (let i = 0; i < text.length; i++) {
      const other = text[i] === 'A' ? 'B' : 'A'
      for (const wrong of [text.slice(0, i), text.slice(0, i) + other + text.slice(i + 1)]) {
        expect(() => parseJoinCode(wrong)).toThrow(expect.objectContaining({ code: 'credential_invalid' }))
      }
    }
  })

  it.each<[string, number, Value]>([
    ['a principal that is no invitation', 0, 'web@demo.example'],
    ['an instance of an invitation', 0, 'invite-0123456789abcdef/1@demo.example'],
    ['an invitation with too few digits', 0, 'invite-0123456789abcde@demo.example'],
    ['an invitation with other digits', 0, 'invite-0123456789abcdeg@demo.example'],
    ['a kvno of 0', 1, 0],
    ['a short key', 2, new Uint8Array(31)],
    ['a text for a time', 3, '10m'],
    ['a text for the list of KDCs', 4, 'wss://kdc.example'],
  ])('is refused with %s, although its check holds', (_, index, value) => {
    expect(parseJoinCode(textOf(fields))).toBeDefined()
    expect(() => parseJoinCode(textOf(fields.with(index, value)))).toThrow(/not one of this version/)
  })

  it('says what is wrong without quoting it', () => {
    for (const wrong of [text.slice(1), text.slice(0, -3), textOf(fields.slice(1))]) {
      const cause = (() => {
        try {
          return parseJoinCode(wrong)
        } catch (cause) {
          return cause
        }
      })()
      expect(inspect(cause)).not.toContain(wrong.slice(20, 40))
    }
    expect(inspect(parseJoinCode(text))).not.toContain('431c039a')
  })
})
