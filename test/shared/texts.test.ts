import { describe, expect, it } from 'vitest'
import { fromBase64url, toBase64url, toHex } from '../../shared/bytes.js'
import { AuthKey, revealKey } from '../../shared/crypto/keys.js'
import { encode } from '../../shared/encoding/encoding.js'
import { formatKeytab, parseKeytab, selectPrincipal } from '../../shared/keytab/keytab.js'
import { parsePrincipal } from '../../shared/principal.js'
import {
  type Credential,
  formatCredential,
  openHandOff,
  parseCredential,
  sealHandOff,
} from '../../shared/ticket/credential.js'
import { fixedRandom, fromJson, hex, type Json, vectors } from '../vectors.js'

const texts = vectors<{
  credential: { fields: Json[]; text: string; bad: string[] }
  handOff: { authKey: string; nonce16: string; nonce: string; array: string; sealed: string }
  keytab: { good: { text: string; keys: [string, number, string][] }[]; bad: string[] }
}>('texts')

function fieldsOf({ ticket, caveats, key, service, client, endTime }: Credential) {
  return [ticket.bytes, [...caveats], revealKey(key), key instanceof AuthKey, service, client, endTime]
}

describe('credentials', () => {
  const { fields, text, bad } = texts.credential

  it('read and write the vector', () => {
    const credential = parseCredential(text)
    expect(fieldsOf(credential)).toEqual(fromJson(fields))
    expect(formatCredential(credential)).toBe(text)
  })

  it.each(bad.map(each => [each.slice(-12), each]))('refuse ...%s', (_, each) => {
    expect(() => parseCredential(each)).toThrow(expect.objectContaining({ code: 'credential_invalid' }))
  })

  it('recognise every cut of a credential', () => {
    for (let length = 0; length < text.length; length++) {
      expect(() => parseCredential(text.slice(0, length))).toThrow(
        expect.objectContaining({ code: 'credential_invalid' }),
      )
    }
  })

  it('travel sealed to the service of a request', () => {
    const { authKey, nonce16, nonce, array, sealed } = texts.handOff
    const key = new AuthKey(hex(authKey))
    const credential = openHandOff(key, hex(nonce16), hex(sealed))
    expect(toHex(encode(fieldsOf(credential)))).toBe(array)
    expect(toHex(sealHandOff(key, hex(nonce16), credential, fixedRandom(hex(nonce))))).toBe(sealed)
    expect(() => openHandOff(key, hex(nonce16.replace(/^../, '00')), hex(sealed))).toThrow(
      expect.objectContaining({ code: 'credential_invalid' }),
    )
  })
})

describe('keytabs', () => {
  it.each([undefined, 7, ['# orthrus keytab 1\n'], Buffer.from('# orthrus keytab 1\n')])(
    'are text: %s is a mistake of the caller',
    given => {
      expect(() => parseKeytab(given as unknown as string)).toThrow(
        new TypeError(`the text of a keytab is a string, not ${typeof given}`),
      )
    },
  )

  it.each(texts.keytab.good)('read and write the vector', ({ text, keys }) => {
    const entries = parseKeytab(text)
    expect(entries.map(({ principal, kvno, key }) => [principal, kvno, toHex(revealKey(key))])).toEqual(keys)
    expect(formatKeytab(entries)).toBe(text)
  })

  it.each(texts.keytab.bad)('refuse %j', text => {
    expect(() => parseKeytab(text)).toThrow(expect.objectContaining({ code: 'keytab_invalid' }))
  })

  it('never show a key in an error', () => {
    for (const text of texts.keytab.bad) {
      expect(() => parseKeytab(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('q0HUnfHx') }),
      )
    }
  })

  it.each([
    ['ends its lines as Windows does', (text: string) => text.replaceAll('\n', '\r\n'), /CR LF.*dos2unix/],
    ['starts with a byte order mark', (text: string) => `\uFEFF${text}`, /byte order mark.*UTF-8/],
    [
      'was trimmed',
      (text: string) => text.trimEnd(),
      /line 3 .*line break at its end is missing.*secret store/,
    ],
    [
      'was cut off within a line',
      (text: string) => text.slice(0, -9),
      /line 3 .*cut off here.*copy it again/,
    ],
    ['is empty', () => '', /it is empty/],
    ['is a path', () => 'web.keytab', /given as keytab: PATH/],
    [
      'lost its first line',
      (text: string) => text.slice(text.indexOf('\n') + 1),
      /line 1 .*first line is not.*copy it/,
    ],
  ])('are refused with the cause and what to do if the text %s', (_, change, said) => {
    const text = change(texts.keytab.good[0]?.text ?? '')
    expect(() => parseKeytab(text)).toThrow(
      expect.objectContaining({ code: 'keytab_invalid', message: expect.stringMatching(said) }),
    )
    expect(() => parseKeytab(text)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/q0HUnfHx|p_av32Ry/) }),
    )
  })

  it('have the keys of one principal, the highest kvno first', () => {
    const entries = parseKeytab(texts.keytab.good[0]?.text ?? '').reverse()
    expect(selectPrincipal(entries).map(entry => entry.kvno)).toEqual([3, 2])
    expect(() => selectPrincipal(entries, parsePrincipal('billing@demo.example'))).toThrow(
      /no key of billing/,
    )
    const two = [
      ...entries,
      { ...(entries[0] as (typeof entries)[0]), principal: parsePrincipal('billing@demo.example') },
    ]
    expect(() => selectPrincipal(two)).toThrow(/the keytab has keys of /)
  })
})

describe('base64url', () => {
  it('has only one spelling for any bytes', () => {
    for (let length = 0; length < 40; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 73 + length) & 255)
      const text = toBase64url(bytes)
      expect(text).toBe(Buffer.from(bytes).toString('base64url'))
      expect(fromBase64url(text)).toEqual(bytes)
    }
  })

  it.each(['A', 'AB', 'AAB', 'AA=', 'AA==', 'A+', 'A/AA', 'AA A', 'AAA\n', 'AAAé'])('refuses %j', text => {
    expect(() => fromBase64url(text)).toThrow(expect.objectContaining({ code: 'malformed' }))
  })
})
