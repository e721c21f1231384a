import type { WireCode } from '../../shared/errors.js'
import type { CacheUse } from '../realm/record-cache.js'
import type { AnswerCode, MeasuredExchange, RequestLimit } from '../report/measures.js'
import type { RecordChange } from '../report/record-change.js'
import type { ReplicaNotice } from '../store/store.js'
import type { PrincipalKind, PrincipalStanding } from './census.js'
import type { Distribution } from './distribution.js'
import type { OperationUse, StoreOperation } from './measured-store.js'
import type { ClosingReason, Counts, RefusalReason } from './meter.js'

/**
 * The numbers of a KDC. What is a count was counted since the KDC started and only rises; the rest is as of now. Times
 * are in milliseconds, sizes in bytes. No number is about one principal or one address.
 */
export interface KdcMetrics {
  /** Requests by what they were, and how each was answered. */
  readonly exchanges: Readonly<Record<MeasuredExchange, ExchangeUse>>
  /** Tickets that were sealed, TGTs included, by the exchange. */
  readonly granted: Counts<'AS' | 'TGS'>
  /** Services that were denied in requests that were answered otherwise. */
  readonly denied: Counts<WireCode>
  /** Requests that came again byte for byte, each counted once. */
  readonly repeated: number
  /** Requests that failed because something could not be done, and because of a fault that nobody expected. */
  readonly failures: Counts<'unavailable' | 'unexpected'>
  /** Requests that were `rate_limited`, by the limit. */
  readonly limited: Counts<RequestLimit>
  readonly connections: {
    readonly open: number
    /** Accepted since the start, those included that were refused at once. */
    readonly accepted: number
    readonly refused: Counts<RefusalReason>
    readonly closed: Counts<ClosingReason>
    readonly handshakesRefused: number
    readonly failed: number
    /** Connections that the system could not give, such as for want of file descriptors. */
    readonly notAccepted: number
  }
  readonly channels: { readonly open: number; readonly broken: number }
  readonly followers: {
    readonly connected: number
    /** The most entries of the revocation log that one of them has not said it applied. */
    readonly behind: number
    /** The longest that one of them has not been heard of. */
    readonly silentFor: number
    /** How many times a second address began to follow as one principal. */
    readonly doubled: number
  }
  readonly revocations: {
    /** Entries that the log has. */
    readonly entries: number
    /** The number of the newest entry; 0 while there is none. */
    readonly newest: number
  }
  readonly changes: {
    /** By the method; one that was not called is missing. */
    readonly made: ReadonlyMap<RecordChange['method'], number>
    /** Changes that failed and may have been stored. */
    readonly uncertain: number
  }
  /** By kind; null until they were counted for the first time. */
  readonly principals: Readonly<Record<PrincipalKind, PrincipalsUse>> | null
  readonly caches: Readonly<Record<'principals' | 'rules' | 'tgts', CacheUse>>
  readonly store: Readonly<Record<StoreOperation, OperationUse>>
  /** How late the event loop was, looked at ten times a second. */
  readonly loopLag: Distribution
  readonly clock: {
    readonly leaps: number
    /** What it is known to be wrong by; 0 if nothing is known. */
    readonly leapt: number
  }
  /** Failures of the schedule of the KDC's own keys. */
  readonly keyScheduleFailures: number
  /** Null if no audit log is kept. */
  readonly audit: AuditUse | null
  /** Null if the realm is not in a folder. */
  readonly disk: DiskUse | null
  /** Null if the realm is not in a folder. */
  readonly database: DatabaseUse | null
  /** Null where no other KDC shares the store. */
  readonly replica: ReplicaUse | null
  /** Whether the KDC is ready, as `readiness` says. */
  readonly ready: boolean
}

export interface ExchangeUse {
  readonly answers: Counts<AnswerCode>
  /** From when the frame was received until the system had the answer; of a call, from its turn in its channel. */
  readonly latency: Distribution
}

export interface PrincipalsUse {
  readonly count: Counts<PrincipalStanding>
  /** Of the oldest current key; null if there is none. */
  readonly oldestKeyAge: number | null
  /** Principals whose key is due to change. */
  readonly keysDue: number
}

/** What an audit log says of itself. */
export interface AuditUse {
  /** Entries that are not yet on stable storage. */
  readonly backlog: number
}

export interface DiskUse {
  /** What the KDC may still write. */
  readonly free: number
  readonly size: number
  /** Below this much free room the KDC is not ready. */
  readonly required: number
}

/** A KDC among those that share its store. */
export interface ReplicaUse {
  /** Whether it has seen all changes: otherwise it grants nothing. */
  readonly isCurrent: boolean
  /** How many it knows to have a place, itself included. */
  readonly members: number
  readonly notices: Counts<ReplicaNotice['kind']>
}

export interface DatabaseUse {
  /** Whether every record was read since the database was opened, or before it was closed in order. */
  readonly isRead: boolean
  /** Whether something was found to be wrong with it, for which the KDC ends. */
  readonly isDamaged: boolean
}
