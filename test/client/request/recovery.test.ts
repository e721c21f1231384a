import { describe, expect, it } from 'vitest'
import { type Answer, answerTo } from '../../../client/request/recovery.js'
import type { WireError } from '../../../shared/encoding/error.js'
import { WIRE_CODES, type WireCode } from '../../../shared/errors.js'

/** The table of docs/protocol.md section 8, "What the client does with an error", row by row. */

const NOW = 1_800_000_000_000
const MAX = Number.MAX_SAFE_INTEGER

const error = (code: WireCode, type: '05' | '06', floor: number | null = null, time = NOW): WireError => ({
  code,
  time,
  floor,
  message: '',
  authenticated: type === '06',
})

const caller: Answer = { next: 'caller', wait: 0, final: false, keepTime: false, replace: 'no' }
const kept: Answer = { ...caller, keepTime: true }

interface Row {
  readonly name: string
  /** Relative to the service's time. */
  readonly stamp: number
  readonly floor: number
  readonly safe: Answer
  readonly unsafe: Answer
}

const renewed = (wait: number): Answer => ({ ...kept, next: 'renewed', wait })
const same = (wait: number): Answer => ({ ...kept, next: 'same', wait })

const skewed: Row[] = [
  // Late: never accepted from now on, but a copy may have been handled before.
  { name: 'long ago', stamp: -100_000, floor: -60_000, safe: renewed(0), unsafe: kept },
  { name: 'at the floor', stamp: -60_000, floor: -60_000, safe: renewed(0), unsafe: kept },
  { name: 'just above the floor', stamp: -59_999, floor: -60_000, safe: renewed(0), unsafe: same(0) },
  // A service that has just started: the floor is ahead.
  { name: 'floor + 1 just acceptable', stamp: 0, floor: 4_999, safe: renewed(0), unsafe: kept },
  { name: 'floor + 1 one too early', stamp: 0, floor: 5_000, safe: renewed(1), unsafe: kept },
  { name: 'at start', stamp: 0, floor: 6_000, safe: renewed(1_001), unsafe: kept },
  { name: 'at the last floor of use', stamp: 0, floor: 6_999, safe: renewed(2_000), unsafe: kept },
  { name: 'a floor too far ahead to wait for', stamp: 0, floor: 7_000, safe: kept, unsafe: kept },
  { name: 'a floor just under 10 minutes ahead', stamp: 0, floor: 600_000, safe: kept, unsafe: kept },
  { name: 'a floor over 10 minutes ahead', stamp: 0, floor: 600_001, safe: caller, unsafe: caller },
  { name: 'a floor of 2^53-1', stamp: 0, floor: MAX - NOW, safe: caller, unsafe: caller },
  { name: 'a stamp of 2^53-1', stamp: MAX - NOW, floor: -60_000, safe: renewed(0), unsafe: kept },
  // Early: these bytes may still be accepted.
  { name: 'just early', stamp: 5_001, floor: -60_000, safe: renewed(0), unsafe: same(1) },
  { name: 'early', stamp: 12_000, floor: -60_000, safe: renewed(0), unsafe: same(7_000) },
  {
    name: 'as early as is waited for',
    stamp: 15_000,
    floor: -60_000,
    safe: renewed(0),
    unsafe: same(10_000),
  },
  { name: 'too early to wait for', stamp: 15_001, floor: -60_000, safe: renewed(0), unsafe: kept },
  {
    name: 'early, over a floor ahead',
    stamp: 6_500,
    floor: 6_000,
    safe: renewed(1_001),
    unsafe: same(1_500),
  },
]

describe('06 clock_skew', () => {
  it.each(skewed)('$name', ({ stamp, floor, safe, unsafe }) => {
    const refused = { stamp: NOW + stamp, endTime: NOW, resendable: true }
    const skew = error('clock_skew', '06', NOW + floor)
    expect(answerTo(skew, { ...refused, safe: true })).toEqual(safe)
    expect(answerTo(skew, { ...refused, safe: false })).toEqual(unsafe)
  })

  it.each(skewed)(
    '$name, a second time: goes to the caller, and the time is still kept',
    ({ stamp, floor, safe }) => {
      const skew = error('clock_skew', '06', NOW + floor)
      for (const isSafe of [true, false]) {
        const answer = answerTo(skew, { stamp: NOW + stamp, endTime: NOW, safe: isSafe, resendable: false })
        expect(answer).toEqual({ ...caller, keepTime: safe.keepTime })
      }
    },
  )

  it('without a floor changes nothing', () => {
    expect(
      answerTo(error('clock_skew', '06'), { stamp: NOW, endTime: NOW, safe: true, resendable: true }),
    ).toEqual(caller)
  })

  it.each([
    [MAX, MAX],
    [MAX - 1, MAX],
    [MAX, 0],
    [0, 0],
  ])('at a time of %d and a floor of %d leads to no stamp that cannot be encoded', (time, floor) => {
    const answer = answerTo(error('clock_skew', '06', floor, time), {
      stamp: NOW,
      endTime: NOW,
      safe: true,
      resendable: true,
    })
    if (floor === MAX) expect(answer).toEqual(caller)
    expect(floor + 1 <= MAX || !answer.keepTime).toBe(true)
  })
})

describe.each(['ticket_expired', 'revoked'] as const)('06 %s', code => {
  const fresh: Answer = { ...caller, final: true, replace: 'proved' }
  // The handler of a safe request may have begun when its ticket was revoked.
  const safely = { ...fresh, final: code !== 'revoked' }
  it.each([
    { safe: true, resendable: true, answer: { ...safely, next: 'renewed' } },
    { safe: true, resendable: false, answer: safely },
    { safe: false, resendable: true, answer: { ...fresh, next: 'renewed' } },
    { safe: false, resendable: false, answer: fresh },
  ])('safe $safe, resendable $resendable', ({ safe, resendable, answer }) => {
    expect(answerTo(error(code, '06'), { stamp: NOW, endTime: NOW, safe, resendable })).toEqual(answer)
  })
})

describe('06 ticket_expired and what was handled before', () => {
  it.each([
    [-60_000, true],
    [0, true],
    [4_999, true],
    [5_000, false],
    [3_600_000, false],
  ])('%d ms after the end it is final: %s', (after, final) => {
    for (const safe of [true, false]) {
      const refused = { stamp: NOW, endTime: NOW - after, safe, resendable: true }
      const answer = answerTo(error('ticket_expired', '06'), refused)
      expect(answer).toMatchObject({ final, next: safe || final ? 'renewed' : 'caller' })
    }
  })
})

describe('06 replay', () => {
  it.each([
    { safe: true, resendable: true, next: 'renewed' },
    { safe: true, resendable: false, next: 'caller' },
    { safe: false, resendable: true, next: 'caller' },
  ])('safe $safe, resendable $resendable', ({ safe, resendable, next }) => {
    const refused = { stamp: NOW, endTime: NOW, safe, resendable }
    expect(answerTo(error('replay', '06'), refused)).toEqual({ ...caller, next })
  })
})

describe('05 ticket_invalid', () => {
  const replaced: Answer = { ...caller, replace: 'unproved' }
  it.each([
    { safe: true, resendable: true, answer: { ...replaced, next: 'renewed' } },
    { safe: true, resendable: false, answer: replaced },
    { safe: false, resendable: true, answer: replaced },
    { safe: false, resendable: false, answer: replaced },
  ])('safe $safe, resendable $resendable', ({ safe, resendable, answer }) => {
    expect(answerTo(error('ticket_invalid', '05'), { stamp: NOW, endTime: NOW, safe, resendable })).toEqual(
      answer,
    )
  })
})

describe('everything else goes to the caller', () => {
  const final = [
    'ticket_not_yet_valid',
    'delegation_invalid',
    'caveat_failed',
    'binding_mismatch',
    'malformed',
    'too_large',
    'not_authorized',
  ]
  const handled = ['clock_skew', 'ticket_expired', 'revoked', 'replay']
  const rows = WIRE_CODES.flatMap(code => [true, false].map(safe => [code, safe] as const))

  it.each(rows.filter(([code]) => !handled.includes(code)))('06 %s, safe %s', (code, safe) => {
    const answer = answerTo(error(code, '06', NOW), { stamp: NOW, endTime: NOW, safe, resendable: true })
    expect(answer).toEqual({ ...caller, final: final.includes(code) })
  })

  it.each(rows.filter(([code]) => code !== 'ticket_invalid'))(
    '05 %s, safe %s, and is never final',
    (code, safe) => {
      for (const floor of [null, NOW]) {
        const answer = answerTo(error(code, '05', floor), {
          stamp: NOW + 8_000,
          endTime: NOW,
          safe,
          resendable: true,
        })
        expect(answer).toEqual(caller)
      }
    },
  )
})
