import { WIRE_CODES } from '../../shared/errors.js'
import type { ConnectionClosed, ConnectionRefused, KdcEvent } from '../report/events.js'
import {
  type AnswerCode,
  MEASURED_EXCHANGES,
  type MeasuredExchange,
  type Measures,
  type RequestLimit,
} from '../report/measures.js'
import type { RecordChange } from '../report/record-change.js'
import { DistributionCounter } from './distribution.js'

export type RefusalReason = ConnectionRefused['reason']

/** Why the KDC closed a connection: it was idle, or its peer broke the protocol. */
export type ClosingReason = 'idle' | 'protocol'

/** Counts by a closed set of names, each of which is there from the start. */
export type Counts<Name extends string> = Readonly<Record<Name, number>>

const CODES: readonly AnswerCode[] = ['ok', ...WIRE_CODES]

const LIMITS: Counts<RequestLimit> = {
  channels: 0,
  failedLogins: 0,
  failedLoginsPerAddress: 0,
  failedLoginsPerName: 0,
  params: 0,
  requestsPerClient: 0,
  feedCallsPerClient: 0,
  keyChangesPerClient: 0,
  actsPerOwner: 0,
  repeats: 0,
  rule: 0,
  logSearches: 0,
}

const REFUSALS: Counts<RefusalReason> = {
  'too many connections': 0,
  'closed to make room for another address': 0,
  'closed to make room for another of its address': 0,
  'closed to make room for another client': 0,
  'closed to make room for another of its client': 0,
  'addressOf failed': 0,
  'its proxy sends no address': 0,
}

/** RFC 6455 section 7.4.1: the KDC closes an idle connection with "going away". */
const GOING_AWAY = 1001

/** Counts what a KDC does, from its events and measures. Everything is counted from when the KDC started. */
export class Meter implements Measures {
  readonly answers = perExchange(() => zeros(CODES))
  readonly latencies = perExchange(() => new DistributionCounter())
  readonly limits = { ...LIMITS }
  readonly refusals = { ...REFUSALS }
  readonly closings = { idle: 0, protocol: 0 }
  readonly granted = { AS: 0, TGS: 0 }
  readonly denied = zeros(WIRE_CODES)
  /** By method; one that was never called is missing. */
  readonly changes = new Map<RecordChange['method'], number>()
  /** Requests that failed for a reason that is known, such as a store that cannot be read, and for another one. */
  readonly failures = { unavailable: 0, unexpected: 0 }
  /** What became of this KDC among those that share its store. */
  readonly replica = { joined: 0, lost: 0, current: 0, put_out: 0, restored: 0 }
  readonly once = {
    repeats: 0,
    uncertainChanges: 0,
    brokenChannels: 0,
    doubledFollowers: 0,
    handshakesRefused: 0,
    connectionsFailed: 0,
    acceptsFailed: 0,
    clockLeaps: 0,
    keyScheduleFailures: 0,
  }

  answered(exchange: MeasuredExchange, code: AnswerCode, milliseconds: number): void {
    this.answers[exchange][code] += 1
    this.latencies[exchange].add(milliseconds)
  }

  limited(limit: RequestLimit): void {
    this.limits[limit] += 1
  }

  /** The listener to the events of the KDC. */
  readonly listen = (event: KdcEvent): void => {
    switch (event.kind) {
      case 'ticket_granted':
        this.granted[event.origin.exchange === 'AS' ? 'AS' : 'TGS'] += 1
        break
      case 'ticket_denied':
        this.denied[event.code] += 1
        break
      case 'request_failed':
        this.failures[event.expected ? 'unavailable' : 'unexpected'] += 1
        break
      case 'connection_abandoned':
        this.failures.unexpected += 1
        break
      case 'record_changed':
        this.changes.set(event.change.method, (this.changes.get(event.change.method) ?? 0) + 1)
        break
      case 'connection_refused':
        this.refusals[event.reason] += 1
        break
      case 'connection_closed':
        this.closings[closingReason(event)] += 1
        break
      case 'replica_noticed':
        this.replica[event.notice.kind] += 1
        break
      case 'channel_ended':
        if (event.broken) this.once.brokenChannels += 1
        break
      default:
        this.#countOnce(event)
    }
  }

  #countOnce({ kind }: KdcEvent): void {
    const name = ONCE.get(kind)
    if (name !== undefined) this.once[name] += 1
  }
}

const ONCE: ReadonlyMap<KdcEvent['kind'], keyof Meter['once']> = new Map([
  ['request_repeated', 'repeats'],
  ['change_uncertain', 'uncertainChanges'],
  ['follower_doubled', 'doubledFollowers'],
  ['handshake_refused', 'handshakesRefused'],
  ['connection_failed', 'connectionsFailed'],
  ['accept_failed', 'acceptsFailed'],
  ['clock_leapt', 'clockLeaps'],
  ['key_schedule_failed', 'keyScheduleFailures'],
])

function closingReason({ code }: ConnectionClosed): ClosingReason {
  return code === GOING_AWAY ? 'idle' : 'protocol'
}

function perExchange<T>(make: () => T): Readonly<Record<MeasuredExchange, T>> {
  const made = MEASURED_EXCHANGES.map(exchange => [exchange, make()] as const)
  return Object.fromEntries(made) as Record<MeasuredExchange, T>
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map(name => [name, 0])) as Record<Name, number>
}
