import { describe, expect, test } from 'vitest'
import { BoundedReplayCache, type ReplayWarning } from '../../../service/replay/replay-cache.js'
import type { Admission, AdmissionRequest } from '../../../shared/accept/replay.js'
import type { Principal } from '../../../shared/principal.js'
import {
  BUCKET_WIDTH,
  fillQuota,
  LEAST_BYTES,
  openCache,
  outcome,
  presenterNamed,
  request,
  START,
  TestClock,
} from './replay-setting.js'

/** The replay cache at each boundary of time, of its quota and of its clocks, and over a restart. */

describe('boundary instants', () => {
  interface Instant {
    readonly what: string
    /** Times are relative to `now`; the wall clock stands at `now` throughout. */
    readonly floor?: number
    readonly time?: number
    readonly end?: number
    readonly outcome: string
  }
  const instants: readonly Instant[] = [
    { what: '1 stamp 1 ms below the floor', floor: -100, time: -101, outcome: 'clock_skew' },
    { what: '2 stamp at the floor', floor: -100, time: -100, outcome: 'clock_skew' },
    { what: '3 stamp 1 ms above the floor', floor: -100, time: -99, outcome: 'accepted' },
    { what: '4 stamp at now - 60 s - 1 ms', time: -60_001, outcome: 'clock_skew' },
    { what: '5 stamp at now - 60 s', time: -60_000, outcome: 'clock_skew' },
    { what: '6 stamp at now - 60 s + 1 ms', time: -59_999, outcome: 'accepted' },
    { what: '7 stamp at now + 5 s - 1 ms', time: 4_999, outcome: 'accepted' },
    { what: '8 stamp at now + 5 s', time: 5_000, outcome: 'accepted' },
    { what: '9 stamp at now + 5 s + 1 ms', time: 5_001, outcome: 'clock_skew' },
    { what: '10 ticket 1 ms short of its end + 5 s', end: -4_999, outcome: 'accepted' },
    { what: '11 ticket at its end + 5 s', end: -5_000, outcome: 'ticket_expired' },
    { what: '12 ticket 1 ms past its end + 5 s', end: -5_001, outcome: 'ticket_expired' },
    { what: '13 floor at now + 7 s - 1 ms', floor: 6_999, outcome: 'clock_skew' },
    { what: '14 floor at now + 7 s', floor: 7_000, outcome: 'unavailable' },
    { what: '15 floor at now + 7 s + 1 ms', floor: 7_001, outcome: 'unavailable' },
    {
      what: '16 expiry comes before an unavailable clock',
      floor: 7_000,
      end: -5_000,
      outcome: 'ticket_expired',
    },
    { what: '17 an unavailable clock before skew', floor: 7_000, time: 9_000, outcome: 'unavailable' },
    { what: '18 expiry before skew', time: 9_000, end: -5_000, outcome: 'ticket_expired' },
    { what: '19 floor at now + 5 s leaves nothing', floor: 5_000, time: 5_000, outcome: 'clock_skew' },
    { what: '20 floor at now + 5 s - 1 ms leaves one', floor: 4_999, time: 5_000, outcome: 'accepted' },
  ]
  const nows = [START, 100_000, Number.MAX_SAFE_INTEGER - 10_000]

  for (const now of nows) {
    test.each(instants)(`$what, at ${now}`, instant => {
      const { floor = -70_000, time = 0, end = 60_000 } = instant
      const endTime = Math.min(now + end, Number.MAX_SAFE_INTEGER)
      const cache = openCache(new TestClock(now), now + floor)
      const admission = cache.admit(request(now + time, { endTime }))
      expect(outcome(admission)).toBe(instant.outcome)
      expect(admission.now).toBe(now)
      expect(admission.floor).toBe(Math.max(now + floor, now - 60_000))
      expect(cache.floor).toBe(admission.floor)
      expect(cache.size).toBe(instant.outcome === 'accepted' ? 1 : 0)
    })
  }

  test.each([
    [0, 'clock_skew'],
    [999, 'clock_skew'],
    [1_000, 'clock_skew'],
    [1_001, 'accepted'],
  ])('the floor at start is start + 6 s: a stamp 5 s ahead, %i ms later, is %s', (later, expected) => {
    const clock = new TestClock()
    const cache = new BoundedReplayCache({ clock })
    expect(cache.floor).toBe(START + 6_000)
    clock.pass(later)
    expect(outcome(cache.admit(request(clock.wall + 5_000)))).toBe(expected)
    expect(cache.floor).toBe(START + 6_000)
  })

  test.each([
    [65_999, START + 6_000],
    [66_000, START + 6_000],
    [66_001, START + 6_001],
  ])('after %i ms the floor at start gives way to now - 60 s', (later, floor) => {
    const clock = new TestClock()
    const cache = new BoundedReplayCache({ clock })
    clock.pass(later)
    expect(cache.admit(request(clock.wall)).floor).toBe(floor)
  })

  test('times up to 2^53 - 1 are accepted to the last instant', () => {
    const clock = new TestClock(Number.MAX_SAFE_INTEGER)
    const cache = openCache(clock)
    const last = request(Number.MAX_SAFE_INTEGER)
    expect(outcome(cache.admit(last))).toBe('accepted')
    expect(outcome(cache.admit(last))).toBe('replay')
    expect(outcome(cache.admit(request(Number.MAX_SAFE_INTEGER - 60_000)))).toBe('clock_skew')
    expect(outcome(cache.admit(request(Number.MAX_SAFE_INTEGER - 59_999)))).toBe('accepted')
  })

  test('a floor never passes 2^53 - 1', () => {
    const clock = new TestClock(Number.MAX_SAFE_INTEGER - 1)
    const cache = new BoundedReplayCache({ clock })
    expect(cache.floor).toBe(Number.MAX_SAFE_INTEGER)
    expect(outcome(cache.admit(request(Number.MAX_SAFE_INTEGER)))).toBe('clock_skew')
  })
})

describe('replay', () => {
  test('the same request is admitted once', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const first = request(START)
    expect(cache.admit(first)).toStrictEqual({ now: START, floor: START - 60_000 })
    expect(cache.admit(first)).toStrictEqual({ now: START, floor: START - 60_000, refusal: 'replay' })
    expect(cache.size).toBe(1)
  })

  test('of 100 copies one is admitted, whatever the order of other requests', () => {
    const cache = openCache(new TestClock())
    const copied = request(START + 17)
    const outcomes: string[] = []
    for (let i = 0; i < 100; i++) {
      outcomes.push(outcome(cache.admit(copied)))
      expect(outcome(cache.admit(request(START + (i % 40))))).toBe('accepted')
    }
    expect(outcomes).toEqual(['accepted', ...Array.from({ length: 99 }, () => 'replay')])
    expect(cache.size).toBe(101)
  })

  test('another presenter or ticket does not make it a new request', () => {
    const cache = openCache(new TestClock())
    const first = request(START)
    cache.admit(first)
    const copy = { ...first, presenter: presenterNamed('other'), endTime: START + 1 }
    expect(outcome(cache.admit(copy))).toBe('replay')
  })

  test('all 16 bytes of an id count', () => {
    const cache = openCache(new TestClock())
    const zeros = new Uint8Array(16)
    expect(outcome(cache.admit(request(START, { id: zeros })))).toBe('accepted')
    for (let bit = 0; bit < 128; bit++) {
      const id = new Uint8Array(16)
      id[bit >> 3] = 1 << (bit & 7)
      expect(outcome(cache.admit(request(START, { id })))).toBe('accepted')
      expect(outcome(cache.admit(request(START, { id })))).toBe('replay')
    }
    expect(outcome(cache.admit(request(START, { id: zeros })))).toBe('replay')
    expect(cache.size).toBe(129)
  })

  test('an id is copied: its array may be used again, and may be part of a larger one', () => {
    const cache = openCache(new TestClock())
    const buffer = new Uint8Array(40).fill(7)
    const id = buffer.subarray(5, 21)
    cache.admit(request(START, { id }))
    const before = id.slice()
    id.fill(9)
    expect(outcome(cache.admit(request(START, { id })))).toBe('accepted')
    expect(outcome(cache.admit(request(START, { id: before })))).toBe('replay')
  })

  test('a request dated ahead is still known when its time has come and gone', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const ahead = request(START + 5_000)
    expect(outcome(cache.admit(ahead))).toBe('accepted')
    for (let waited = 0; waited < 64_999; waited += 1_000) {
      expect(outcome(cache.admit(ahead))).toBe('replay')
      clock.pass(1_000)
    }
    expect(clock.wall).toBe(START + 65_000)
    expect(outcome(cache.admit(ahead))).toBe('clock_skew')
  })

  test('the newest and the oldest stamp of the window never collide', () => {
    for (let start = START; start < START + BUCKET_WIDTH; start++) {
      const clock = new TestClock(start)
      const cache = openCache(clock)
      const [newest, oldest] = [request(start + 5_000), request(start - 59_999)]
      expect([newest, oldest].map(each => outcome(cache.admit(each)))).toEqual(['accepted', 'accepted'])
      clock.pass(BUCKET_WIDTH + 1)
      expect([newest, oldest].map(each => outcome(cache.admit(each)))).toEqual(['replay', 'clock_skew'])
      expect(cache.size).toBe(1)
    }
  })

  test('thousands of ids in one bucket are all found again', () => {
    const cache = new BoundedReplayCache({ clock: new TestClock(), floor: 0 })
    const requests = Array.from({ length: 40_000 }, () => request(START))
    expect(requests.filter(each => outcome(cache.admit(each)) !== 'accepted')).toEqual([])
    expect(requests.filter(each => outcome(cache.admit(each)) !== 'replay')).toEqual([])
    expect(cache.size).toBe(requests.length)
  })

  test.each([0, 15, 17])('an id of %i bytes is a mistake of the caller and leaves no trace', length => {
    const cache = openCache(new TestClock())
    expect(() => cache.admit(request(START, { id: new Uint8Array(length) }))).toThrow(TypeError)
    expect(cache.size).toBe(0)
  })
})

describe('a refused request leaves no trace', () => {
  test('an early stamp refused is accepted once its time has come', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const early = request(START + 5_001)
    expect(outcome(cache.admit(early))).toBe('clock_skew')
    expect(cache.size).toBe(0)
    clock.pass(1)
    expect(outcome(cache.admit(early))).toBe('accepted')
  })

  test('refusals of every kind neither take the id nor count against the presenter', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const quota = Math.floor(cache.capacity / 4)
    const later = request(START + 1_000)
    for (let i = 0; i < 2 * quota; i++) {
      expect(outcome(cache.admit({ ...later, time: START + 5_001 }))).toBe('clock_skew')
      expect(outcome(cache.admit({ ...later, time: START - 60_000 }))).toBe('clock_skew')
      expect(outcome(cache.admit({ ...later, endTime: START - 5_000 }))).toBe('ticket_expired')
    }
    expect(cache.size).toBe(0)
    expect(outcome(cache.admit(later))).toBe('accepted')
    for (let i = 0; i < 2 * quota; i++) expect(outcome(cache.admit(later))).toBe('replay')
    expect(outcome(cache.admit(request(START)))).toBe('accepted')
    expect(cache.size).toBe(2)
  })

  test('what an unavailable clock or a quota refused is accepted later', () => {
    const clock = new TestClock()
    const cache = openCache(clock, START + 7_000)
    const waiting = request(START + 7_001)
    expect(outcome(cache.admit(waiting))).toBe('unavailable')
    clock.pass(2_001)
    expect(outcome(cache.admit(waiting))).toBe('accepted')
    clock.pass(10_000)
    const limited = fillQuota(cache, clock, 'web@demo.example' as Principal)
    expect(outcome(cache.admit(limited))).toBe('rate_limited')
    expect(outcome(cache.admit({ ...limited, presenter: presenterNamed('other') }))).toBe('accepted')
  })
})

describe('quota', () => {
  test('a presenter has exactly a quarter, does not affect others, and gets it back with time', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const [greedy, other] = [presenterNamed('greedy'), presenterNamed('other')]
    fillQuota(cache, clock, greedy)
    expect(cache.size).toBe(Math.floor(cache.capacity / 4))
    expect(outcome(cache.admit(request(START, { presenter: other })))).toBe('accepted')
    clock.pass(60_000 + BUCKET_WIDTH)
    expect(outcome(cache.admit(request(clock.wall, { presenter: greedy })))).toBe('accepted')
    expect(cache.size).toBe(1)
    fillQuota(cache, clock, greedy)
    expect(cache.size).toBe(Math.floor(cache.capacity / 4))
  })

  test('a copy is a replay, also from a presenter with nothing left', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const first = request(START)
    cache.admit(first)
    expect(outcome(cache.admit(fillQuota(cache, clock, first.presenter)))).toBe('rate_limited')
    expect(outcome(cache.admit(first))).toBe('replay')
  })

  test('what is forgotten bucket by bucket comes back bucket by bucket', () => {
    const clock = new TestClock(START - (START % BUCKET_WIDTH))
    const cache = openCache(clock)
    const [greedy, other] = [presenterNamed('greedy'), presenterNamed('other')]
    for (let i = 0; i < 100; i++)
      expect(outcome(cache.admit(request(clock.wall, { presenter: greedy })))).toBe('accepted')
    for (let i = 0; i < 50; i++)
      expect(outcome(cache.admit(request(clock.wall, { presenter: other })))).toBe('accepted')
    clock.pass(BUCKET_WIDTH)
    fillQuota(cache, clock, greedy)
    const full = cache.size
    clock.pass(60_000 - 2)
    expect(outcome(cache.admit(request(clock.wall, { presenter: greedy })))).toBe('rate_limited')
    expect(cache.size).toBe(full)
    clock.pass(1)
    expect(outcome(cache.admit(request(clock.wall, { presenter: greedy })))).toBe('accepted')
    expect(cache.size).toBe(full - 150 + 1)
    fillQuota(cache, clock, greedy)
    expect(cache.size).toBe(full - 50)
  })

  test('four greedy presenters together still each have a quarter', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    // One entry in each bucket begins as many pages as there can be.
    for (let time = START - 59_999; time <= START + 5_000; time += BUCKET_WIDTH) cache.admit(request(time))
    const begun = cache.size
    for (let i = 0; i < 4; i++) fillQuota(cache, clock, presenterNamed(i))
    expect(cache.size).toBe(begun + 4 * Math.floor(cache.capacity / 4))
    expect(cache.floor).toBe(START - 60_000)
  })

  test('names that differ a little are different presenters', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    fillQuota(cache, clock, 'aaaa@demo.example' as Principal)
    const long = `${'a'.repeat(63)}/${'a'.repeat(63)}@${'a'.repeat(60)}.${'a'.repeat(60)}.example`
    for (const name of [
      'aaab@demo.example',
      'aaaa@demo.exampl',
      'aaaa@demo.example1',
      'baaa@demo.example',
      long,
    ]) {
      expect(outcome(cache.admit(request(START, { presenter: name as Principal })))).toBe('accepted')
    }
    expect(outcome(cache.admit(request(START, { presenter: 'aaaa@demo.example' as Principal })))).toBe(
      'rate_limited',
    )
  })
})

describe('memory', () => {
  test('a stamp in the bucket that is dropped is refused, or is above what was in it', () => {
    const clock = new TestClock(START - (START % BUCKET_WIDTH))
    const cache = openCache(clock)
    const at = clock.wall + 100
    let refused: Admission | undefined
    for (let i = 0; refused === undefined; i++) {
      const admission = cache.admit(request(at, { presenter: presenterNamed(i % 8) }))
      if (admission.refusal !== undefined) refused = admission
    }
    expect(refused).toEqual({ now: clock.wall, floor: at, refusal: 'clock_skew' })
    expect(cache.size).toBe(0)
    expect(outcome(cache.admit(request(at)))).toBe('clock_skew')
    expect(outcome(cache.admit(request(at + 1)))).toBe('accepted')
  })

  test.each([LEAST_BYTES - 1, 0, -1, Number.NaN])('maxBytes of %d is a mistake of the caller', maxBytes => {
    expect(() => new BoundedReplayCache({ clock: new TestClock(), maxBytes })).toThrow(TypeError)
  })

  test('is small when idle', () => {
    expect(openCache(new TestClock()).bytes).toBe(32 * 1024)
  })
})

describe('clocks', () => {
  test.each([
    ['forward', 1_000, 'accepted'],
    ['forward', 1_001, 'clock_skew'],
    ['back', -999, 'accepted'],
    ['back', -1_000, 'accepted'],
    ['back', -1_001, 'clock_skew'],
  ])('if wall and monotonic clock move apart %s by %i ms, a fresh stamp is %s', (_, step, expected) => {
    const clock = new TestClock()
    const cache = openCache(clock)
    cache.admit(request(START))
    clock.pass(3_000)
    clock.step(step)
    const admission = cache.admit(request(clock.wall + 5_000))
    expect(outcome(admission)).toBe(expected)
    expect(admission.floor).toBe(clock.wall + (expected === 'accepted' ? -60_000 : 5_000))
    clock.pass(1)
    expect(outcome(cache.admit(request(clock.wall + 5_000)))).toBe('accepted')
  })

  test('a machine was suspended if the monotonic clock stood still', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    cache.admit(request(START + 4_000))
    clock.step(3_600_000)
    expect(cache.admit(request(clock.wall)).floor).toBe(clock.wall + 5_000)
    clock.pass(5_001)
    expect(outcome(cache.admit(request(clock.wall)))).toBe('accepted')
  })

  test('a snapshot was restored if only the monotonic clock jumped', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    clock.steady += 1_001
    expect(cache.admit(request(START)).floor).toBe(START + 5_000)
    clock.steady -= 2_000_000
    clock.wall += 1
    expect(cache.admit(request(START)).floor).toBe(START + 5_001)
  })

  test('the clocks are compared from one step to the next, even if it is refused', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    for (let i = 0; i < 10; i++) {
      clock.pass(10_000)
      clock.step(900)
      expect(cache.admit(request(clock.wall + 6_000)).floor).toBe(clock.wall - 60_000)
    }
  })

  test('a monotonic clock that gives no number counts as moved apart', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    clock.steady = Number.NaN
    expect(cache.admit(request(START)).floor).toBe(START + 5_000)
  })

  test.each([Number.NaN, 0.5, 2 ** 53, Number.POSITIVE_INFINITY])(
    'a clock that gives %d admits nothing',
    wall => {
      const clock = new TestClock()
      const cache = openCache(clock)
      clock.wall = wall
      expect(() => cache.admit(request(START))).toThrow(TypeError)
    },
  )

  test('a clock set back a little keeps the floor, and the floor rises to the newest time accepted', () => {
    const clock = new TestClock()
    const cache = openCache(clock)
    const newest = request(START + 5_000)
    cache.admit(newest)
    cache.admit(request(START))
    clock.step(-1_500)
    const admission = cache.admit(newest)
    expect(admission).toEqual({ now: START - 1_500, floor: START + 5_000, refusal: 'clock_skew' })
    clock.pass(1_501)
    expect(outcome(cache.admit(request(clock.wall + 5_000)))).toBe('accepted')
    expect(outcome(cache.admit(newest))).toBe('clock_skew')
  })

  test('a clock set back far is unavailable, with a warning, until time catches up', () => {
    const clock = new TestClock()
    const warnings: ReplayWarning[] = []
    const cache = new BoundedReplayCache({ clock, floor: 0, onWarning: warning => warnings.push(warning) })
    cache.admit(request(START))
    clock.step(-20_000)
    for (let i = 0; i < 26; i++) {
      expect(outcome(cache.admit(request(clock.wall)))).toBe('unavailable')
      clock.pass(500)
    }
    expect(clock.wall).toBe(START - 7_000)
    expect(outcome(cache.admit(request(clock.wall)))).toBe('unavailable')
    clock.pass(1)
    expect(outcome(cache.admit(request(clock.wall)))).toBe('clock_skew')
    expect(cache.floor).toBe(START)
    expect(warnings).toEqual([
      { kind: 'clock_went_back', now: START - 20_000, floor: START },
      { kind: 'clock_went_back', now: START - 10_000, floor: START },
    ])
    for (let i = 0; i < 4; i++) {
      clock.pass(7_001)
      expect(outcome(cache.admit(request(clock.wall)))).toBe('accepted')
    }
    expect(warnings.length).toBe(2)
  })

  test('a full cache is reported, and a hook that throws or admits finds the cache in order', () => {
    const clock = new TestClock()
    const kinds: string[] = []
    let inside: string | undefined
    const cache: BoundedReplayCache = new BoundedReplayCache({
      clock,
      floor: 0,
      maxBytes: LEAST_BYTES,
      onWarning: warning => {
        kinds.push(warning.kind)
        inside = outcome(cache.admit(request(clock.wall)))
        throw new Error('from the hook')
      },
    })
    let thrown = 0
    for (let i = 0; i < 30_000; i++) {
      if (i % 1_000 === 0) clock.pass(100)
      const next = request(clock.wall, { presenter: presenterNamed(i % 8) })
      try {
        cache.admit(next)
      } catch {
        thrown++
        expect(outcome(cache.admit(next))).toBe('replay')
      }
    }
    expect({ kinds, thrown, inside }).toEqual({ kinds: ['replay_cache_full'], thrown: 1, inside: 'accepted' })
  })
})

describe('restart', () => {
  test.each([0, 1, -1, -500, -999, 1_000, 5_999])(
    'a new process refuses everything after its clock changed by %i ms',
    change => {
      const clock = new TestClock()
      const first = openCache(clock)
      const accepted: AdmissionRequest[] = []
      for (let time = START - 59_999; time <= START + 5_000; time += 997) {
        accepted.push(request(time), request(Math.min(time + 1, START + 5_000)))
      }
      accepted.push(request(START + 5_000))
      for (const each of accepted) expect(outcome(first.admit(each))).toBe('accepted')
      clock.step(change)
      const second = new BoundedReplayCache({ clock })
      for (let waited = 0; waited < 80_000; waited += 500) {
        expect(accepted.filter(each => outcome(second.admit(each)) !== 'clock_skew')).toEqual([])
        clock.pass(500)
      }
    },
  )
})
