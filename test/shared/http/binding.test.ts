import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../shared/bytes.js'
import { LABEL, TYPE } from '../../../shared/constants.js'
import { decodeApRequest } from '../../../shared/exchange/ap.js'
import { RECORDS, requestBinding, responseBinding } from '../../../shared/http/binding.js'
import {
  COVERED_REQUEST_HEADERS,
  COVERED_RESPONSE_HEADERS,
  OVERRIDE_HEADERS,
} from '../../../shared/http/header-names.js'
import { hex, vectors } from '../../vectors.js'

const v = vectors<{
  coveredRequestHeaders: string[]
  coveredResponseHeaders: string[]
  request: {
    method: string
    target: string
    headers: Record<string, string>
    body: string | null
    binding: string
  }[]
  response: { status: number; headers: Record<string, string>; body: string | null; binding: string }[]
}>('http')

const body = (text: string | null) => (text === null ? null : hex(text))
const nothing = new Uint8Array()
const latin1 = (codes: number[]) => String.fromCharCode(...codes)

describe('HTTP vectors', () => {
  it('cover these headers', () => {
    expect(COVERED_REQUEST_HEADERS).toEqual(v.coveredRequestHeaders)
    expect(COVERED_RESPONSE_HEADERS).toEqual(v.coveredResponseHeaders)
  })

  it.each(v.request)('$method $target', request => {
    const { method, target, headers, binding } = request
    expect(toHex(requestBinding(method, target, Object.entries(headers), body(request.body)))).toBe(binding)
  })

  it.each(v.response)('response $status', response => {
    const { status, headers, binding } = response
    expect(toHex(responseBinding(status, Object.entries(headers), body(response.body)))).toBe(binding)
  })
})

describe('bindings of sealed bodies', () => {
  const stream = vectors<{
    request: { method: string; target: string; headers: Record<string, string>; apReq: string }
    response: { status: number; headers: Record<string, string>; apRep: string }
  }>('stream')

  it('are those of the vectors', () => {
    const { method, target, headers, apReq } = stream.request
    const { binding } = decodeApRequest(TYPE.AP_REQ, hex(apReq))
    expect(requestBinding(method, target, Object.entries(headers), RECORDS)).toEqual(binding)
  })

  it('of responses are those of the vectors', () => {
    const { status, headers, apRep } = stream.response
    // The binding stands before the MAC.
    const binding = hex(apRep).slice(-64, -32)
    expect(responseBinding(status, Object.entries(headers), RECORDS)).toEqual(binding)
  })
})

describe('bindings', () => {
  const bind = (...headers: [string, string][]) => toHex(requestBinding('GET', '/', headers, nothing))

  it('take names in any case and trim values', () => {
    expect(bind(['Content-TYPE', ' \tx '])).toBe(bind(['content-type', 'x']))
    expect(bind(['x-other', 'x'])).toBe(bind())
  })

  it.each([...COVERED_REQUEST_HEADERS])('refuse %s twice or empty', name => {
    for (const headers of [
      [
        [name, 'a'],
        [name.toUpperCase(), 'a'],
      ],
      [[name, '']],
      [[name, ' \t']],
    ] as [string, string][][]) {
      expect(() => bind(...headers)).toThrow(expect.objectContaining({ code: 'malformed' }))
    }
  })

  it.each([...OVERRIDE_HEADERS])('refuse %s', name => {
    expect(() => bind([name, ''])).toThrow(expect.objectContaining({ code: 'malformed' }))
    expect(() => bind([name.toUpperCase(), 'x'])).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('never let one line be two', () => {
    expect(() => requestBinding('GET', '/\n', [], nothing)).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    )
    expect(() => bind(['range', 'a\nb'])).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('take values as bytes', () => {
    expect(bind(['range', '\u00e9'])).not.toBe(bind(['range', 'e']))
    expect(() => bind(['range', '\u0100'])).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('are of one byte for each character, be the text ASCII or not', () => {
    const lines = (value: string) =>
      COVERED_REQUEST_HEADERS.map(name => (name === 'range' ? value : '')).join('\n')
    const digest = createHash('sha256').digest('hex')
    const printable = fc.oneof(
      fc.string({ minLength: 1, maxLength: 40 }),
      fc
        .array(fc.integer({ min: 0x21, max: 0xff }), { minLength: 1, maxLength: 40 })
        .map(codes => latin1(codes)),
    )
    const value = printable.map(text => `=${text}=`)
    fc.assert(
      fc.property(value, value, (range, query) => {
        const target = `/?${query}`
        const text = [LABEL.HTTP_REQUEST, 'GET', target, lines(range), digest].join('\n')
        const expected = createHash('sha256').update(text, 'latin1').digest('hex')
        expect(toHex(requestBinding('GET', target, [['range', range]], nothing))).toBe(expected)
      }),
    )
  })

  it('distinguish any body from one that is not covered', () => {
    const dash = new TextEncoder().encode('-')
    expect(requestBinding('POST', '/', [], dash)).not.toEqual(requestBinding('POST', '/', [], null))
  })
})

describe('white space', () => {
  it('inside a value costs no more than its length', () => {
    const header = (spaces: number): [string, string][] => [['content-type', `a${' '.repeat(spaces)}b`]]
    const cost = (spaces: number): number => {
      const begin = performance.now()
      requestBinding('GET', '/', header(spaces), nothing)
      return performance.now() - begin
    }
    cost(1_000)
    // A search that starts again at every space would take some 10^12 steps.
    expect(cost(1_000_000)).toBeLessThan(5_000)
  })
})
