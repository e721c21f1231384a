import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatLogin,
  type KeptLogin,
  parseLogin,
  withGranted,
} from '../../../client/kept-login/kept-login.js'
import { toBase64url } from '../../../shared/bytes.js'
import { checkOf } from '../../../shared/crypto/check.js'
import { revealKey, SessionKey } from '../../../shared/crypto/keys.js'
import { decode, encode } from '../../../shared/encoding/encoding.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { formatTime, HOUR } from '../../../shared/time.js'
import { failureIn } from '../../support/failure.js'
import { grantFor, LOGIN, START } from '../../support/kept-login.js'

/** The text of a login: whole, or refused with what to do. */

const PATH = '/run/user/1000/orthrus/demo.example/ann.login'
const TEXT = formatLogin(LOGIN)

const refusal = (text: string) =>
  failureIn(() => parseLogin(text, PATH)) as Promise<{
    code: string
    message: string
    facts: { hint: string }
  }>

/** The same login with another array in its line, whose check is right. */
function withArray(at: number, change: (values: unknown[]) => unknown): string {
  const lines = TEXT.split('\n')
  const [, prefix = '', body = ''] = /^([a-z]+1_)(.*)$/.exec(lines[at] ?? '') ?? []
  const values = decode(new Uint8Array(Buffer.from(body, 'base64url').subarray(0, -4)))
  change(values)
  const array = encode(values as never)
  lines[at] = prefix + toBase64url(new Uint8Array([...array, ...checkOf(array)]))
  return lines.join('\n')
}

describe('the text of a login', () => {
  it('is read as it was written', () => {
    const again = parseLogin(TEXT, PATH)
    expect(again).toEqual(LOGIN)
    expect(revealKey(again.tgt.key)).toEqual(revealKey(LOGIN.tgt.key))
    expect(formatLogin(again)).toBe(TEXT)
    const { parameters: _, ...others } = LOGIN
    const plain: KeptLogin = { ...others, parameters: null, tickets: [] }
    expect(parseLogin(formatLogin(plain), PATH)).toEqual(plain)
  })

  it('is refused wherever it was cut off, but at the end of a ticket, which leaves a whole login', async () => {
    const ends = new Set([...TEXT.matchAll(/\n/g)].slice(1).map(({ index }) => index + 1))
    for (let length = 0; length < TEXT.length; length++) {
      if (ends.has(length)) continue
      const cause = await refusal(TEXT.slice(0, length))
      expect(cause, String(length)).toMatchObject({ code: 'login_invalid', final: true })
      expect(cause.facts.hint).toBe('write it again: orthrus login NAME')
    }
  })

  it('is refused with any letter changed, and its error quotes nothing of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(TEXT.length - 1), fc.constantFrom(...'aZ0_- \n=~'), async (at, letter) => {
        if (TEXT[at] === letter) return
        const cause = await refusal(TEXT.slice(0, at) + letter + TEXT.slice(at + 1))
        expect(cause.code).toBe('login_invalid')
        for (const line of TEXT.split('\n').slice(1))
          expect(cause.message).not.toContain(line.slice(20, 40) || '\n')
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    [
      '2',
      /is of another version of Orthrus: it begins with "# orthrus login 2" \(use the version that wrote it, or/,
    ],
    ['11', /another version/],
    ['1 ', /its first line is not that of a login/],
    ['x', /its first line is not that of a login/],
  ])('of the version %j is told from a damaged one', async (version, message) => {
    expect((await refusal(TEXT.replace('login 1\n', `login ${version}\n`))).message).toMatch(message)
  })

  it.each([
    ['a name outside the grammar', 1, (values: unknown[]) => values.splice(1, 1, 'Ann@demo.example')],
    [
      'another realm than that of its TGT',
      1,
      (values: unknown[]) => values.splice(1, 1, 'ann@other.example'),
    ],
    ['no KDC', 1, (values: unknown[]) => values.splice(2, 1, [])],
    ['an id of another form', 1, (values: unknown[]) => values.splice(0, 1, 'x')],
    ['a field more', 1, (values: unknown[]) => values.push(null)],
    [
      'a ticket of another realm',
      2,
      (values: unknown[]) => (values[1] as unknown[]).splice(1, 1, 'orders@other.example'),
    ],
    [
      'a ticket that ends before it begins',
      2,
      (values: unknown[]) => (values[1] as unknown[]).splice(6, 1, 1),
    ],
    ['a lifetime that is none', 2, (values: unknown[]) => values.splice(0, 1, '1h')],
  ] as const)('with %s is refused, though its checks are right', async (_, line, change) => {
    expect(await refusal(withArray(line, change as never))).toMatchObject({ code: 'login_invalid' })
  })

  it('has at most 100 tickets, those that end last, of half a megabyte', async () => {
    const tickets = Array.from({ length: 150 }, (_, i) => ({
      lifetime: 0,
      grant: { ...grantFor(`s${i}`), endTime: START + HOUR + i },
    }))
    const kept = parseLogin(formatLogin({ ...LOGIN, tickets }), PATH).tickets
    expect(kept.length).toBe(100)
    expect(Math.min(...kept.map(({ grant }) => grant.endTime))).toBe(START + HOUR + 50)
    const [first = ''] = TEXT.split('\n').slice(2)
    const crowd = `${TEXT.split('\n').slice(0, 2).join('\n')}\n${`${first}\n`.repeat(101)}`
    expect((await refusal(crowd)).message).toContain('it has too many tickets')
    const large = tickets.map(each => ({
      ...each,
      grant: { ...each.grant, claims: [['note', 'x'.repeat(1_000)]] as never },
    }))
    const text = formatLogin({ ...LOGIN, tickets: Array.from({ length: 9 }, () => large).flat() })
    expect(text.length).toBeLessThan(600 * 1024)
  })

  it('takes a newer ticket in the place of an older one, and drops those that have ended', () => {
    const newer = { lifetime: 0, grant: { ...grantFor('orders'), endTime: START + 2 * HOUR } }
    const other = { lifetime: HOUR, grant: grantFor('orders') }
    const login = withGranted(LOGIN, [newer, other], START)
    expect(login.tickets).toEqual([newer, LOGIN.tickets[1], other])
    expect(withGranted(login, [], START + HOUR).tickets, formatTime(START)).toEqual([newer])
  })
})

describe('a login in memory', () => {
  it('shows no key when it is inspected or written as JSON', () => {
    const key = new SessionKey(new Uint8Array(32).fill(0x41))
    const text = JSON.stringify({ ...LOGIN, tgt: { ...LOGIN.tgt, key } })
    expect(text).not.toContain('65,65')
    expect(parsePrincipal(LOGIN.client)).toBe(LOGIN.client)
  })
})
