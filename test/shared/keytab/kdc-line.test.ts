import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { isKdcUrl, kdcsNamed } from '../../../shared/keytab/kdc-line.js'
import { formatKeytab, parseKeytab } from '../../../shared/keytab/keytab.js'
import { editKeytab } from '../../../shared/keytab/keytab-edit.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { vectors } from '../../vectors.js'

const principal = parsePrincipal('orders@demo.example')
const entry = { principal, kvno: 3, key: new LongTermKey(systemRandom(32)) }
const URLS = ['wss://a.example', 'ws://kdc:8750', 'wss://[::1]:8750/path?x=1']
const [first, key] = formatKeytab([entry]).trimEnd().split('\n')

/** A keytab with these lines before its key. */
function keytab(...lines: string[]): string {
  return `${[first, ...lines, key].join('\n')}\n`
}

function reasonOf(text: string): string {
  try {
    return `named ${kdcsNamed(text, 'orders.keytab')}`
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    expect(cause).toMatchObject({ code: 'keytab_invalid', final: true })
    expect(cause.facts.hint).toContain('# kdc wss://a.example')
    return cause.reason
  }
}

describe('the line of a keytab that names the KDCs', () => {
  it('has only what is read again, whatever a code named', () => {
    const many = Array.from({ length: 40 }, (_, n) => `wss://kdc-${n}.example`)
    expect(kdcsNamed(formatKeytab([entry], many))).toEqual(many.slice(0, 16))
    const odd = ['http://a.example', 'wss://a.example/#x', 'nonsense', 'wss://b.example\norders 1 x', '']
    expect(kdcsNamed(formatKeytab([entry], [...odd, ...URLS, ...URLS]))).toEqual(expect.arrayContaining(URLS))
    expect(parseKeytab(formatKeytab([entry], odd))).toEqual([entry])
  })

  it('is written behind the first line, and read again', () => {
    const text = formatKeytab([entry], URLS)
    expect(text.split('\n')[1]).toBe('# kdc wss://a.example,ws://kdc:8750,wss://[::1]:8750/path?x=1')
    expect(kdcsNamed(text)).toEqual(URLS)
    expect(parseKeytab(text)).toEqual([entry])
  })

  it('is not written for no KDC, and then none is named', () => {
    expect(formatKeytab([entry], [])).toBe(formatKeytab([entry]))
    expect(kdcsNamed(formatKeytab([entry]))).toEqual([])
    expect(kdcsNamed('')).toEqual([])
  })

  it('brings any URL back that means the same', () => {
    const url = fc.webUrl({ validSchemes: ['ws', 'wss'], withQueryParameters: true })
    fc.assert(
      fc.property(fc.uniqueArray(url, { minLength: 1, maxLength: 16 }), urls => {
        const named = kdcsNamed(formatKeytab([entry], urls))
        const plain = (text: string): string => new URL(text.replaceAll(',', '%2C')).href
        expect(new Set(named.map(each => new URL(each).href))).toEqual(new Set(urls.map(plain)))
      }),
    )
  })

  it.each([
    ['no URL', '# kdc', /line 2 of the keytab orders\.keytab names no KDCs: "" is not/],
    ['words', '# kdc is in room 5', /is not the URL of a KDC/],
    ['another scheme', '# kdc https://a.example', /"https:\/\/a\.example\/?" is not/],
    ['an empty one among them', '# kdc wss://a.example,', /"" is not/],
    ['a space between them', '# kdc wss://a.example, wss://b.example', /is not the URL/],
    ['a fragment', '# kdc wss://a.example#b', /is not the URL/],
    ['too many', `# kdc ${Array.from({ length: 17 }, (_, i) => `wss://k${i}`)}`, /more than 16/],
    ['a password in what is no URL', '# kdc http://me:secret@a.example', /^(?!.*secret)/],
  ])('is refused with %s', (_, line, reason) => {
    expect(reasonOf(keytab(line))).toMatch(reason)
    // Its keys can be used all the time.
    expect(parseKeytab(keytab(line))).toEqual([entry])
  })

  it('is refused twice, since nobody knows which is meant', () => {
    const line = '# kdc wss://a.example'
    expect(reasonOf(keytab(line, '# mine', line))).toMatch(/line 4 .*before it/)
  })

  it('is a comment behind the first key, and where it begins in another way', () => {
    const other = formatKeytab([{ ...entry, kvno: 2 }], ['wss://b.example'])
    // As two keytabs in one file.
    expect(kdcsNamed(formatKeytab([entry], ['wss://a.example']) + other)).toEqual(['wss://a.example'])
    expect(kdcsNamed(formatKeytab([entry]) + other)).toEqual([])
    for (const line of ['#kdc wss://a', '# kdcs wss://a', '# KDC wss://a', '#  kdc wss://a'])
      expect(kdcsNamed(keytab(line))).toEqual([])
  })

  it('stays when a key is changed', () => {
    const next = { ...entry, kvno: 4, key: new LongTermKey(systemRandom(32)) }
    const ends = new Map([[3, 1_790_000_000_000]])
    const changed = editKeytab(formatKeytab([entry], URLS), { principal, add: [next], ends })
    expect(kdcsNamed(changed)).toEqual(URLS)
    expect(kdcsNamed(editKeytab(changed, { principal, drop: [3] }))).toEqual(URLS)
    expect(parseKeytab(changed).map(({ kvno }) => kvno)).toEqual([3, 4])
  })

  it('makes no keytab of the vectors another one', () => {
    const { good, bad } = vectors<{ keytab: { good: { text: string }[]; bad: string[] } }>('texts').keytab
    const withLine = (text: string): string => text.replace('\n', `\n# kdc ${URLS.join(',')}\n`)
    for (const { text } of good) expect(parseKeytab(withLine(text))).toEqual(parseKeytab(text))
    for (const text of bad) expect(() => parseKeytab(withLine(text))).toThrow(OrthrusError)
  })

  it('takes a text for a URL only if it is one', () => {
    expect(URLS.every(isKdcUrl)).toBe(true)
    for (const text of ['', 'wss://', 'ws:/a', 'wss://a b', ' wss://a', 'wss://a\n'])
      expect(isKdcUrl(text)).toBe(false)
  })
})
