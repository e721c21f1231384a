import { describe, expect, it } from 'vitest'
import { decodeAnswer, decodeCall, resultsOf } from '../../../shared/channel/calls.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { WIRE_CODES } from '../../../shared/errors.js'

describe('an answer of the KDC', () => {
  it('is read whole, result or refusal', () => {
    expect(decodeAnswer(encode([1, null, 'a', ['b']]))).toEqual({ n: 1, results: ['a', ['b']] })
    expect(decodeAnswer(encode([2, 'policy_denied', 'why']))).toEqual({
      n: 2,
      code: 'policy_denied',
      message: 'why',
    })
  })

  it.each([
    ['nothing', []],
    ['a number alone', [1]],
    ['a refusal without a message', [1, 'policy_denied']],
    ['a refusal with more behind its message', [1, 'policy_denied', 'why', 'more']],
    ['a code that does not exist', [1, 'no_such_code', 'why']],
  ])('is not %s', (_, list) => {
    expect(() => decodeAnswer(encode(list))).toThrow(expect.objectContaining({ code: 'malformed' }))
  })
})

describe('a refusal by the KDC', () => {
  it.each(WIRE_CODES)('%s is final unless the change may have been made, or may still be made', code => {
    const passing = ['clock_skew', 'rate_limited', 'unavailable']
    expect(() => resultsOf({ n: 1, code, message: 'why' })).toThrow(
      expect.objectContaining({ code, reason: 'why', final: !passing.includes(code) }),
    )
  })
})

describe('a call', () => {
  it('has a number above 0, a method and its arguments', () => {
    expect(decodeCall(encode([3, 'show', 'a', null]))).toEqual({ n: 3, method: 'show', args: ['a', null] })
    for (const list of [[], [0, 'show'], [1], ['1', 'show'], [1, null]]) {
      expect(() => decodeCall(encode(list))).toThrow(expect.objectContaining({ code: 'malformed' }))
    }
  })
})
