import { describe, expect, it } from 'vitest'
import type { Value } from '../../../shared/encoding/encoding.js'
import * as form from '../../../shared/encoding/fields.js'
import type { OrthrusError } from '../../../shared/errors.js'

/** What each field of a decoded message must be: both sides of every limit, and the wrong types. */

const bytes = (length: number): Uint8Array => new Uint8Array(length)
const services = (count: number): Value[] => Array.from({ length: count }, (_, i) => `s${i}@demo.example`)
const { nullable, textOf } = form

type Reader = (value: Value | undefined) => unknown

const WRONG: readonly [name: string, read: Reader, right: Value, wrong: readonly Value[]][] = [
  ['a list', form.listOf, [1], ['', 0, null, bytes(1)]],
  ['a list of 2 at most', value => form.listOf(value, 2), [1, 2], [[1, 2, 3]]],
  ['2 fields', value => form.fields(value, 2), [1, 2], [[1], [1, 2, 3], 'ab', bytes(2)]],
  ['a text', textOf, 'a', [0, null, ['a'], bytes(1)]],
  ['a number', form.numberOf, 0, ['0', null, false, [0]]],
  ['a boolean', form.booleanOf, false, [0, null, 'false']],
  ['bytes of any length', value => form.bytesOf(value), bytes(0), ['', null, [0]]],
  ['2 bytes', value => form.bytesOf(value, 2), bytes(2), [bytes(1), bytes(3), bytes(0), 'ab']],
  ['no bytes', value => form.bytesOf(value, 0), bytes(0), [bytes(1)]],
  ['a principal', form.principalOf, 'web@demo.example', ['web', 'Web@demo.example', 1]],
  ['a kvno', form.kvnoOf, 1, [0, '1', null]],
  ['a lifetime', form.lifetimeOf, 1, [0, '1', null]],
  ['one of two words', value => form.oneOf(value, ['allow', 'deny']), 'deny', ['den', '', 1, null]],
  ['a list of texts', value => form.textsOf(value, 2), ['a', 'b'], [['a', 'b', 'c'], ['a', 1], 'a', null]],
  ['bits of 3', value => form.bitsOf(value, 3), 3, [4, 5, 7, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, '1']],
  ['bits of 5', value => form.bitsOf(value, 5), 5, [2, 3, 6]],
  ['a text or nil', value => nullable(value, textOf), 'a', [0, false]],
  ['32 services', form.servicesOf, services(32), [services(33), 'web@demo.example', ['web']]],
  ['services, none twice', form.servicesOf, services(2), [[...services(2), ...services(1)]]],
  [
    '16 caveats',
    form.caveatListOf,
    Array<Value>(16).fill(bytes(1)),
    [Array<Value>(17).fill(bytes(1)), ['a']],
  ],
  ['2 KiB of caveats', form.caveatListOf, [bytes(1024), bytes(1024)], [[bytes(1024), bytes(1025)]]],
  ['a ticket of 4 KiB', form.ticketBytesOf, bytes(4096), [bytes(4097), 'ticket']],
  ['a nonce', form.nonceOf, bytes(16), [bytes(15), bytes(17)]],
]

describe('a field', () => {
  it.each(WRONG)('that is %s passes as it is, and nothing else does', (_, read, right, wrong) => {
    expect(read(right)).toEqual(right)
    for (const value of wrong) {
      expect(() => read(value)).toThrow(expect.objectContaining({ code: 'malformed', final: true }))
    }
  })

  it.each(WRONG)('that should be %s and is missing is malformed', (_, read) => {
    expect(() => read(undefined)).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('that may be nil accepts nil', () => {
    expect(nullable(null, textOf)).toBeNull()
  })

  it('is reported by what it was and what it should be', () => {
    const reason = (read: () => unknown): string => {
      try {
        read()
      } catch (error) {
        return (error as OrthrusError).reason
      }
      return 'passed'
    }
    expect(reason(() => form.fields([1], 2))).toBe('1 fields instead of 2')
    expect(reason(() => form.listOf([1, 2, 3], 2))).toBe('a list of 3, longer than 2')
    expect(reason(() => form.bytesOf(bytes(3), 2))).toBe('3 bytes instead of 2')
  })
})
