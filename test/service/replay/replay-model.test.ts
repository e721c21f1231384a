import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import type { AdmissionRequest } from '../../../shared/accept/replay.js'
import { LEAST_BYTES, outcome, presenterNamed, request, START, TestClock } from './replay-setting.js'

/** The replay cache compared with section 8 of docs/protocol.md. */

const RUNS = process.env.ORTHRUS_SLOW === '1' ? 20_000 : 400

/** Section 8 as it is written, with sets and sums; capacity is unlimited. */
class Model {
  floor: number
  newest = Number.NEGATIVE_INFINITY
  readonly seen = new Set<string>()
  private last: [number, number]

  constructor(now: number, monotonic: number) {
    this.floor = now + 6_000
    this.last = [now, monotonic]
  }

  admit(now: number, monotonic: number, { id, time, endTime }: AdmissionRequest): string {
    this.floor = Math.max(this.floor, now - 60_000)
    const [lastNow, lastMonotonic] = this.last
    if (Math.abs(now - lastNow - (monotonic - lastMonotonic)) > 1_000) {
      this.floor = Math.max(this.floor, this.newest, now + 5_000)
    }
    this.last = [now, monotonic]
    if (now >= endTime + 5_000) return 'ticket_expired'
    if (this.floor >= now + 7_000) return 'unavailable'
    if (time <= this.floor || time > now + 5_000) return 'clock_skew'
    if (this.seen.has(id.toString())) return 'replay'
    this.seen.add(id.toString())
    this.newest = Math.max(this.newest, time)
    return 'accepted'
  }
}

type Command =
  | { readonly do: 'new'; readonly offset: number; readonly fromFloor: boolean; readonly end: number }
  | { readonly do: 'copy'; readonly index: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'step'; readonly ms: number }
  | { readonly do: 'restart' }

const near = (...instants: number[]) =>
  fc.tuple(fc.constantFrom(...instants), fc.integer({ min: -2, max: 2 })).map(([instant, by]) => instant + by)

const newRequest: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('new' as const),
  fromFloor: fc.boolean(),
  offset: fc.oneof(near(0, 1_000, 5_000, -60_000), fc.integer({ min: -61_000, max: 6_000 })),
  end: fc.oneof({ weight: 5, arbitrary: fc.constant(60_000) }, { weight: 1, arbitrary: near(-5_000) }),
})
const copy: fc.Arbitrary<Command> = fc.record({ do: fc.constant('copy' as const), index: fc.nat() })
const pass: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('pass' as const),
  ms: fc.oneof(near(512, 1_000, 6_000, 60_000).map(Math.abs), fc.integer({ min: 0, max: 9_000 })),
})
const restart: fc.Arbitrary<Command> = fc.record({ do: fc.constant('restart' as const) })
const forward: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('step' as const),
  ms: fc.oneof(near(1_000, 60_000), fc.integer({ min: 0, max: 10_000_000 })),
})
const back: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('step' as const),
  ms: fc.oneof(near(-1_000, -7_000), fc.integer({ min: -999, max: 0 }), fc.integer({ min: -90_000, max: 0 })),
})

/** Runs the commands on cache and model together; this limits the sum of the steps back before a restart. */
function play(start: number, commands: readonly Command[]): void {
  const clock = new TestClock(start)
  const sent: AdmissionRequest[] = []
  const everAccepted = new Set<AdmissionRequest>()
  let backSinceFirst = 0
  let cache = new BoundedReplayCache({ clock, maxBytes: LEAST_BYTES })
  let model = new Model(clock.wall, clock.steady)
  const deliver = (next: AdmissionRequest) => {
    const expected = model.admit(clock.wall, clock.steady, next)
    const admission = cache.admit(next)
    expect(outcome(admission)).toBe(expected)
    expect(admission).toMatchObject({ now: clock.wall, floor: model.floor })
    if (expected !== 'accepted') return
    expect(everAccepted.has(next)).toBe(false)
    everAccepted.add(next)
  }
  for (const command of commands) {
    if (command.do === 'new') {
      const base = command.fromFloor ? cache.floor : clock.wall
      const next = request(Math.max(0, base + command.offset), {
        presenter: presenterNamed(sent.length % 3),
        endTime: clock.wall + command.end,
      })
      sent.push(next)
      deliver(next)
    } else if (command.do === 'copy') {
      const old = sent[command.index % Math.max(sent.length, 1)]
      if (old !== undefined) deliver(old)
    } else if (command.do === 'pass') clock.pass(command.ms)
    else if (command.do === 'step') {
      clock.step(command.ms)
      if (everAccepted.size > 0) backSinceFirst -= Math.min(command.ms, 0)
    } else if (backSinceFirst < 1_000) {
      cache = new BoundedReplayCache({ clock, maxBytes: LEAST_BYTES })
      model = new Model(clock.wall, clock.steady)
    }
  }
  for (const old of everAccepted) expect(cache.admit(old).refusal).toBeDefined()
}

describe('the replay cache against a model', () => {
  const starts = fc.constantFrom(START, START + 511, 70_000, Number.MAX_SAFE_INTEGER - 10 ** 12)

  test('refuses as the model says over restarts and forward steps, and accepts nothing twice', () => {
    const command = fc.oneof(
      { weight: 8, arbitrary: newRequest },
      { weight: 6, arbitrary: copy },
      { weight: 6, arbitrary: pass },
      { weight: 1, arbitrary: forward },
      { weight: 1, arbitrary: restart },
    )
    fc.assert(fc.property(starts, fc.array(command, { maxLength: 120, size: 'max' }), play), {
      numRuns: RUNS,
    })
  })

  test('does so over steps both ways too, with restarts after less than a second of steps back', () => {
    const command = fc.oneof(
      { weight: 8, arbitrary: newRequest },
      { weight: 6, arbitrary: copy },
      { weight: 6, arbitrary: pass },
      { weight: 1, arbitrary: forward },
      { weight: 2, arbitrary: back },
      { weight: 1, arbitrary: restart },
    )
    fc.assert(fc.property(starts, fc.array(command, { maxLength: 120, size: 'max' }), play), {
      numRuns: RUNS,
    })
  })
})
