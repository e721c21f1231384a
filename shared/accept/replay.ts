import type { Principal } from '../principal.js'

/** What the one atomic step of docs/protocol.md section 8 (step 4) needs to know of a request. */
export interface AdmissionRequest {
  /** The first 16 bytes of the request's MAC. */
  readonly id: Uint8Array
  /** The request's own stamp, milliseconds. */
  readonly time: number
  /** The presenting principal. The service's own limits are counted to this name. */
  readonly presenter: Principal
  /** The earliest end of the tickets presented, milliseconds. */
  readonly endTime: number
}

export type AdmissionRefusal = 'ticket_expired' | 'unavailable' | 'clock_skew' | 'replay' | 'rate_limited'

export interface Admission {
  /** The clock as it was read inside the step; every later check of the request uses this reading. */
  readonly now: number
  /** The floor after the step: nothing stamped at or below it is accepted. */
  readonly floor: number
  /** Absent if the request was admitted, and so recorded. */
  readonly refusal?: AdmissionRefusal
}

/**
 * Admits each request once. The step reads the clock, raises the floor, checks in the order of section 8 and
 * records, all before anything else can be admitted; a cache that several processes share may answer later.
 */
export interface ReplayCache {
  admit(request: AdmissionRequest): Admission | Promise<Admission>
}
