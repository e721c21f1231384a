import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { requestBinding, responseBinding } from '../../../shared/http/binding.js'
import { furtherNames, parseFurtherHeaders } from '../../../shared/http/further-headers.js'
import { formatFurtherHeaders, furtherHeadersOf } from '../../../shared/http/further-option.js'
import {
  COVERED_REQUEST_HEADERS,
  COVERED_RESPONSE_HEADERS,
  OVERRIDE_HEADERS,
} from '../../../shared/http/header-names.js'
import { hex, vectors } from '../../vectors.js'

interface Message {
  readonly headers: Record<string, string | string[]>
  readonly body: string
  readonly binding: string
}

const v = vectors<{
  request: (Message & { method: string; target: string })[]
  response: (Message & { status: number })[]
  malformed: string[]
}>('covered')

type Pairs = (readonly [string, string])[]

const pairsOf = (headers: Message['headers']): Pairs =>
  Object.entries(headers).flatMap(([name, values]) => [values].flat().map(value => [name, value] as const))

const NOTHING = new Uint8Array()
const malformed = expect.objectContaining({ code: 'malformed' })
const request = (...headers: Pairs) => toHex(requestBinding('GET', '/', headers, NOTHING))
const response = (...headers: Pairs) => toHex(responseBinding(200, headers, NOTHING))

describe('vectors of further headers', () => {
  it.each(v.request)('$method $target $headers', ({ method, target, headers, body, binding }) => {
    expect(toHex(requestBinding(method, target, pairsOf(headers), hex(body)))).toBe(binding)
    expect(toHex(requestBinding(method, target, pairsOf(headers).reverse(), hex(body)))).toBe(binding)
  })

  it.each(v.response)('response $status $headers', ({ status, headers, body, binding }) => {
    expect(toHex(responseBinding(status, pairsOf(headers), hex(body)))).toBe(binding)
    // As the platform's `fetch` has them.
    expect(toHex(responseBinding(status, new Headers(pairsOf(headers) as never), hex(body)))).toBe(binding)
  })

  it.each([...v.request, ...v.response])('names in $headers are read and written', ({ headers }) => {
    const list = String(headers['orthrus-covered'])
    const names = parseFurtherHeaders(list)
    expect(formatFurtherHeaders(names)).toBe(list)
    expect(furtherHeadersOf('cover', [...names].reverse())).toEqual(names)
    expect(furtherNames(list)).toEqual(names)
  })

  it.each(v.malformed)('malformed in either direction: %j', list => {
    expect(() => parseFurtherHeaders(list)).toThrow(malformed)
    expect(() => request(['orthrus-covered', list])).toThrow(malformed)
    expect(() => response(['orthrus-covered', list])).toThrow(malformed)
  })
})

describe('names of further headers', () => {
  const always = [...COVERED_REQUEST_HEADERS, ...COVERED_RESPONSE_HEADERS]

  it.each([...always, ...OVERRIDE_HEADERS, 'proxy-connection', 'proxy-authenticate', 'www-authenticate'])(
    '%s cannot be one',
    name => {
      expect(() => parseFurtherHeaders(name)).toThrow(malformed)
      for (const spelling of [name, name.toUpperCase()])
        expect(() => furtherHeadersOf('cover', [spelling])).toThrow(TypeError)
    },
  )

  it.each(['x\u00e9', 'x\u0130', '\u212a', 'x\n', 'a,b', 'a;b', '"a"', ':path', 'x y', ' a'])(
    '%j is none',
    name => {
      expect(() => parseFurtherHeaders(name)).toThrow(malformed)
      expect(() => furtherHeadersOf('cover', [name])).toThrow(TypeError)
    },
  )

  it('are 32 at most', () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `h${String(i).padStart(2, '0')}`)
    expect(parseFurtherHeaders(names(32).join(', '))).toHaveLength(32)
    expect(furtherHeadersOf('cover', names(32))).toHaveLength(32)
    expect(() => parseFurtherHeaders(names(33).join(', '))).toThrow(malformed)
    expect(() => furtherHeadersOf('cover', names(33))).toThrow(TypeError)
  })

  it('are none without the header', () => {
    expect([furtherNames(undefined), furtherNames(null)]).toEqual([[], []])
  })

  it.each([
    [['a', 'A'], 'twice'],
    ['idempotency-key', 'is a list'],
    [[7], 'names 7'],
    [[''], 'is no name'],
    [['Content-Type'], 'by itself'],
    [['Host'], 'cannot be covered'],
    [[undefined], 'undefined'],
  ])('of an option: %j', (given, message) => {
    expect(() => furtherHeadersOf('cover', given)).toThrow(TypeError)
    expect(() => furtherHeadersOf('cover', given)).toThrow(message)
  })

  it('of an option come in any case and order', () => {
    expect(furtherHeadersOf('cover', ['X-Tenant', 'etag'])).toEqual(['etag', 'x-tenant'])
  })
})

describe('values of further headers', () => {
  const cover = ['orthrus-covered', 'etag, set-cookie'] as const

  it('may not come twice', () => {
    for (const bind of [request, response]) {
      expect(() => bind(cover, ['etag', 'a'], ['ETag', 'a'])).toThrow(malformed)
      expect(() => bind(cover, cover)).toThrow(malformed)
      expect(() => bind(cover, ['Orthrus-Covered', 'etag'])).toThrow(malformed)
    }
    expect(() => request(cover, ['set-cookie', 'a'], ['set-cookie', 'b'])).toThrow(malformed)
  })

  it('may not be empty: that would be bound as if it were missing', () => {
    for (const bind of [request, response]) {
      for (const empty of ['', ' \t']) {
        expect(() => bind(cover, ['etag', empty])).toThrow(malformed)
        expect(() => bind(cover, ['set-cookie', empty])).toThrow(malformed)
        expect(() => bind(['orthrus-covered', empty])).toThrow(malformed)
      }
    }
  })

  it('are as many cookies as there are, in their order', () => {
    const cookies = (...values: string[]) =>
      response(cover, ...values.map(each => ['set-cookie', each] as const))
    const all = [
      cookies(),
      cookies('a'),
      cookies('a', 'b'),
      cookies('b', 'a'),
      cookies('a', 'b', 'b'),
      cookies('a, b'),
    ]
    expect(new Set(all).size).toBe(all.length)
    expect(() => cookies('a\0b')).toThrow(malformed)
  })

  it('never let one line be two, and are bytes', () => {
    expect(() => request(cover, ['etag', 'a\nb'])).toThrow(malformed)
    expect(() => request(cover, ['etag', '\u0100'])).toThrow(malformed)
    expect(request(cover, ['etag', '\u00e9'])).not.toBe(request(cover, ['etag', 'e']))
  })

  it('do not matter without the list', () => {
    expect(request(['etag', 'a'], ['etag', ''])).toBe(request())
    expect(response(['set-cookie', ''])).toBe(response())
  })
})

/** What stands in the protocol, written down a second time. */
function lines(head: string[], base: readonly string[], headers: Map<string, string[]>): string {
  const value = (name: string) => (headers.get(name) ?? []).join('\0')
  const list = headers.get('orthrus-covered')?.[0]
  const further = list === undefined ? [] : [list, ...list.split(', ').map(value)]
  const digest = createHash('sha256').update('').digest('hex')
  const all = [...head, ...base.map(value), ...further, digest].join('\n')
  return createHash('sha256').update(Buffer.from(all, 'latin1')).digest('hex')
}

const NAMES = ['content-type', 'range', 'location', 'x-tenant', 'etag', 'x-user-id', 'accept', '__proto__']
const COVERABLE = ['x-tenant', 'etag', 'x-user-id', 'accept', '__proto__']

const value = fc.stringMatching(/^[!-~\u00a1-\u00ff]([ -~\u00a1-\u00ff]{0,6}[!-~\u00a1-\u00ff])?$/)
interface Drawn {
  readonly headers: Record<string, string>
  readonly cookies: string[]
  readonly list: string[]
}

const message: fc.Arbitrary<Drawn> = fc.record({
  headers: fc.dictionary(fc.constantFrom(...NAMES), value, { noNullPrototype: false }),
  cookies: fc.array(value, { maxLength: 3 }),
  list: fc.subarray([...COVERABLE, 'set-cookie']),
})

describe('a binding with further headers', () => {
  it('is that of the lines that the protocol says, in any order and case', () => {
    fc.assert(
      fc.property(message, fc.boolean(), ({ headers, cookies, list }, upper) => {
        const own = new Map(Object.entries(headers).map(([name, text]) => [name, [text]]))
        if (list.length > 0) own.set('orthrus-covered', [[...list].sort().join(', ')])
        const sent = [...own].flatMap(([name, values]) =>
          values.map(each => [upper ? name.toUpperCase() : name, `${each} `] as const),
        )
        const head = ['orthrus/1 http', 'GET', '/']
        if (own.has('set-cookie') === false && cookies.length < 2) {
          const withCookie = new Map([
            ...own,
            ...(cookies.length === 0 ? [] : [['set-cookie', cookies] as const]),
          ])
          const pairs = [...cookies.map(each => ['set-cookie', each] as const), ...sent]
          expect(request(...pairs)).toBe(lines(head, COVERED_REQUEST_HEADERS, withCookie))
        }
        const answered = new Map([...own, ['set-cookie', cookies] as const])
        const pairs = [...sent, ...cookies.map(each => ['Set-Cookie', each] as const)]
        const expected = lines(['orthrus/1 http-response', '200'], COVERED_RESPONSE_HEADERS, answered)
        expect(response(...pairs)).toBe(expected)
      }),
    )
  })

  it('is the same for two messages only if all that is covered is', () => {
    const covered = ({ headers, cookies, list }: Drawn): string => {
      const value = (name: string) => (Object.hasOwn(headers, name) ? headers[name] : undefined)
      const names = [...COVERED_RESPONSE_HEADERS, ...[...list].sort()]
      return JSON.stringify([
        [...list].sort(),
        names.map(name => (name === 'set-cookie' ? cookies : (value(name) ?? null))),
      ])
    }
    const bind = ({ headers, cookies, list }: Drawn): string => {
      const named = list.length === 0 ? [] : [['orthrus-covered', [...list].sort().join(', ')] as const]
      return response(
        ...named,
        ...Object.entries(headers),
        ...cookies.map(each => ['set-cookie', each] as const),
      )
    }
    const small = fc.tuple(message, message).map(([a, b]) => [a, { ...a, ...pick(a, b) }] as const)
    const pick = (a: Drawn, b: Drawn) =>
      [{ headers: b.headers }, { cookies: b.cookies }, { list: b.list }, { headers: { ...a.headers } }][
        b.cookies.length % 4
      ]
    fc.assert(
      fc.property(small, ([one, other]) => {
        expect(bind(one) === bind(other)).toBe(covered(one) === covered(other))
      }),
    )
  })
})
