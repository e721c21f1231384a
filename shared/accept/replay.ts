import type { Principal } from '../principal.js'

/** What step 4 of docs/protocol.md section 8, which is atomic, needs to know about a request. */
export interface AdmissionRequest {
  /** The first 16 bytes of the request's MAC. */
  readonly id: Uint8Array
  /** The request's own time stamp, milliseconds. */
  readonly time: number
  /** The presenting principal, which the service's own limits are counted against. */
  readonly presenter: Principal
  /** The earliest end of the tickets presented, milliseconds. */
  readonly endTime: number
}

export type AdmissionRefusal = 'ticket_expired' | 'unavailable' | 'clock_skew' | 'replay' | 'rate_limited'

export interface Admission {
  /** The clock as read inside the step. Every later check of the request uses this reading. */
  readonly now: number
  /** The floor after the step: nothing stamped at or below it is accepted. */
  readonly floor: number
  /** Absent if the request was admitted, which also means that it was recorded. */
  readonly refusal?: AdmissionRefusal
  /** For the log: why it is `unavailable`, if that is not this machine's clock. */
  readonly reason?: string
}

/**
 * Admits each request once. The step reads the clock, raises the floor, checks in the order of section 8 and records
 * the request, all before anything else can be admitted. A cache that several processes share may answer with a
 * promise.
 */
export interface ReplayCache {
  /** Nothing stamped at or below this is accepted, milliseconds, if it is known: `service.ready()` waits for it. */
  readonly floor?: number
  admit(request: AdmissionRequest): Admission | Promise<Admission>
}
