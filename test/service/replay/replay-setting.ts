import { expect } from 'vitest'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import type { Admission, AdmissionRequest } from '../../../shared/accept/replay.js'
import type { Principal } from '../../../shared/principal.js'
import type { Clock } from '../../../shared/time.js'

/** A replay cache on a clock that the test moves, and requests for it. */

import { START } from '../../support/clock.js'

export { START }
export const FAR_END = Number.MAX_SAFE_INTEGER
export const LEAST_BYTES = 512 * 1024
/** The cache forgets by buckets of this width; some tests step past one. */
export const BUCKET_WIDTH = 512

/**
 * Two readings that a test sets to anything, even to what no clock would say. `pass` moves both, `step` only the wall
 * clock.
 */
export class TestClock implements Clock {
  wall: number
  steady = 12.5

  constructor(wall: number = START) {
    this.wall = wall
  }

  now(): number {
    return this.wall
  }

  monotonic(): number {
    return this.steady
  }

  pass(milliseconds: number): void {
    this.wall += milliseconds
    this.steady += milliseconds
  }

  step(milliseconds: number): void {
    this.wall += milliseconds
  }
}

let counter = 0
/** An id never used before, its bytes spread so that every word of it differs from the next one's. */
export function freshId(): Uint8Array {
  counter++
  const id = new Uint8Array(16)
  const view = new DataView(id.buffer)
  for (let at = 0; at < 16; at += 4) view.setUint32(at, Math.imul(counter, 0x9e3779b1 + 2 * at))
  return id
}

export function request(time: number, more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return { id: freshId(), time, presenter: 'web@demo.example' as Principal, endTime: FAR_END, ...more }
}

export function presenterNamed(name: number | string): Principal {
  return `client-${name}@demo.example` as Principal
}

export function outcome(admission: Admission): string {
  return admission.refusal ?? 'accepted'
}

/** A cache whose floor at start lies out of the way. */
export function openCache(clock: Clock, floor = 0): BoundedReplayCache {
  return new BoundedReplayCache({ clock, maxBytes: LEAST_BYTES, floor })
}

/** Admits requests stamped now until one is refused, and returns that one. */
export function fillQuota(
  cache: BoundedReplayCache,
  clock: TestClock,
  presenter: Principal,
): AdmissionRequest {
  for (;;) {
    const next = request(clock.wall, { presenter })
    const admission = cache.admit(next)
    if (admission.refusal === undefined) continue
    expect(admission.refusal).toBe('rate_limited')
    return next
  }
}
