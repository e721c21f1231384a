import type { Distribution, KdcMetrics, RefusalReason } from '../../kdc/index.js'
import { SECOND } from '../../shared/time.js'

/**
 * The metrics of a KDC in the conventions of Prometheus: seconds and bytes, `_total` for what only rises. Every label has
 * a closed set of values, none of them the name of a principal or an address, so there are never more series than these.
 */

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
}

export interface DistributionSample {
  readonly labels: Labels
  /** In milliseconds. */
  readonly distribution: Distribution
}

interface Described {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

export type Definition =
  | (Described & { readonly type: 'counter' | 'gauge'; read(numbers: KdcMetrics): readonly Sample[] })
  | (Described & { readonly type: 'histogram'; read(numbers: KdcMetrics): readonly DistributionSample[] })

const counts = (label: string, values: Readonly<Record<string, number>>): Sample[] =>
  Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))

const single = (value: number | undefined): Sample[] => (value === undefined ? [] : [{ labels: {}, value }])

const perKind = (
  { principals }: KdcMetrics,
  read: (use: NonNullable<KdcMetrics['principals']>['kdc']) => number | null,
): Sample[] =>
  Object.entries(principals ?? {}).flatMap(([kind, use]) => {
    const value = read(use)
    return value === null ? [] : [{ labels: { kind }, value }]
  })

function counter(
  name: string,
  help: string,
  labels: readonly string[],
  read: (numbers: KdcMetrics) => Sample[],
) {
  return { type: 'counter', name: `orthrus_kdc_${name}`, help, labels, read } as const
}

function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  read: (numbers: KdcMetrics) => Sample[],
) {
  return { type: 'gauge', name: `orthrus_kdc_${name}`, help, labels, read } as const
}

function histogram(
  name: string,
  help: string,
  labels: readonly string[],
  read: (numbers: KdcMetrics) => DistributionSample[],
) {
  return { type: 'histogram', name: `orthrus_kdc_${name}`, help, labels, read } as const
}

/** The reasons for refusing a connection, as labels. */
const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  'too many connections': 'full',
  'closed to make room for another address': 'room_for_address',
  'closed to make room for another of its address': 'share_of_address',
  'closed to make room for another client': 'room_for_client',
  'closed to make room for another of its client': 'share_of_client',
  'addressOf failed': 'address_of_failed',
  'its proxy sends no address': 'proxy_sends_no_address',
}

const REQUESTS: readonly Definition[] = [
  counter(
    'exchanges_total',
    'Requests that were answered, by what they were and how: ok, or the code of the error.',
    ['exchange', 'code'],
    ({ exchanges }) =>
      Object.entries(exchanges).flatMap(([exchange, { answers }]) =>
        Object.entries(answers).map(([code, value]) => ({ labels: { exchange, code }, value })),
      ),
  ),
  histogram(
    'exchange_duration_seconds',
    'From when a request was received until the system had its answer; of a call in a channel, from its turn there.',
    ['exchange'],
    ({ exchanges }) =>
      Object.entries(exchanges).map(([exchange, { latency }]) => ({
        labels: { exchange },
        distribution: latency,
      })),
  ),
  counter('tickets_granted_total', 'Tickets that were sealed, TGTs included.', ['exchange'], ({ granted }) =>
    counts('exchange', granted),
  ),
  counter(
    'tickets_denied_total',
    'Services that were denied in requests that were answered otherwise.',
    ['code'],
    ({ denied }) => counts('code', denied),
  ),
  counter('requests_repeated_total', 'Proved requests that came again byte for byte.', [], ({ repeated }) =>
    single(repeated),
  ),
  counter(
    'request_failures_total',
    'Requests that failed: something was unavailable, or a fault was unexpected.',
    ['cause'],
    ({ failures }) => counts('cause', failures),
  ),
  counter('rate_limited_total', 'Requests that were refused, by the limit that refused them.', ['limit'], n =>
    counts('limit', n.limited),
  ),
]

const CONNECTIONS: readonly Definition[] = [
  gauge('connections', 'Connections that are open.', [], n => single(n.connections.open)),
  counter('connections_accepted_total', 'Connections that were accepted, refused ones included.', [], n =>
    single(n.connections.accepted),
  ),
  counter(
    'connections_refused_total',
    'Connections that were refused, or closed to make room for others.',
    ['reason'],
    ({ connections: { refused } }) =>
      counts(
        'reason',
        Object.fromEntries(
          Object.entries(REFUSALS).map(([text, name]) => [name, refused[text as RefusalReason]]),
        ),
      ),
  ),
  counter(
    'connections_closed_total',
    'Connections that the KDC closed: idle ones, and those that broke the protocol.',
    ['reason'],
    ({ connections: { closed } }) => counts('reason', closed),
  ),
  counter('connections_failed_total', 'Network errors on connections.', [], n =>
    single(n.connections.failed),
  ),
  counter(
    'connections_not_accepted_total',
    'Connections that the system could not give, such as for want of file descriptors.',
    [],
    n => single(n.connections.notAccepted),
  ),
  counter('handshakes_refused_total', 'WebSocket handshakes that were refused.', [], n =>
    single(n.connections.handshakesRefused),
  ),
  gauge('channels', 'Channels that are open.', [], n => single(n.channels.open)),
  counter('channels_broken_total', 'Channels that ended because something was wrong.', [], n =>
    single(n.channels.broken),
  ),
]

const REVOCATION: readonly Definition[] = [
  gauge('followers', 'Services that follow the revocation log.', [], n => single(n.followers.connected)),
  gauge(
    'follower_lag_entries',
    'Entries of the revocation log that the follower furthest behind has not applied.',
    [],
    n => single(n.followers.behind),
  ),
  gauge('follower_silence_seconds', 'The longest that a connected follower has not called.', [], n =>
    single(n.followers.silentFor / SECOND),
  ),
  counter(
    'followers_doubled_total',
    'How many times a second address began to follow as one principal.',
    [],
    n => single(n.followers.doubled),
  ),
  gauge('revocation_log_entries', 'Entries that the revocation log has.', [], n =>
    single(n.revocations.entries),
  ),
  counter('revocations_total', 'Entries that the revocation log ever had.', [], n =>
    single(n.revocations.newest),
  ),
]

const REALM: readonly Definition[] = [
  counter('changes_total', 'Changes of the realm, by method.', ['method'], n =>
    counts('method', Object.fromEntries(n.changes.made)),
  ),
  counter('changes_uncertain_total', 'Changes that failed and may have been stored.', [], n =>
    single(n.changes.uncertain),
  ),
  gauge('principals', 'Principals, by what they are and whether they can log in.', ['kind', 'standing'], n =>
    Object.entries(n.principals ?? {}).flatMap(([kind, { count }]) =>
      Object.entries(count).map(([standing, value]) => ({ labels: { kind, standing }, value })),
    ),
  ),
  gauge('oldest_key_age_seconds', 'The age of the oldest current key.', ['kind'], n =>
    perKind(n, ({ oldestKeyAge }) => oldestKeyAge && oldestKeyAge / SECOND),
  ),
  gauge('keys_due', 'Principals whose key is due to change.', ['kind'], n => perKind(n, use => use.keysDue)),
  counter('key_schedule_failures_total', "Failures to change or erase the KDC's own keys.", [], n =>
    single(n.keyScheduleFailures),
  ),
]

const MACHINE: readonly Definition[] = [
  counter('cache_hits_total', 'Look-ups that were answered from memory.', ['cache'], n =>
    Object.entries(n.caches).map(([cache, { hits }]) => ({ labels: { cache }, value: hits })),
  ),
  counter('cache_misses_total', 'Look-ups that were not.', ['cache'], n =>
    Object.entries(n.caches).map(([cache, { misses }]) => ({ labels: { cache }, value: misses })),
  ),
  gauge('cache_entries', 'What the caches have.', ['cache'], n =>
    Object.entries(n.caches).map(([cache, { entries }]) => ({ labels: { cache }, value: entries })),
  ),
  histogram('store_duration_seconds', 'How long reads and commits of the store took.', ['operation'], n =>
    Object.entries(n.store).map(([operation, { latency }]) => ({
      labels: { operation },
      distribution: latency,
    })),
  ),
  counter('store_failures_total', 'Reads and commits of the store that failed.', ['operation'], n =>
    Object.entries(n.store).map(([operation, { failures }]) => ({ labels: { operation }, value: failures })),
  ),
  histogram('event_loop_lag_seconds', 'How late the event loop was, looked at ten times a second.', [], n => [
    { labels: {}, distribution: n.loopLag },
  ]),
  counter('clock_leaps_total', 'Leaps of the clock by more than a second.', [], n => single(n.clock.leaps)),
  gauge('clock_leapt_seconds', 'What the clock may be wrong by; 0 if nothing is known.', [], n =>
    single(n.clock.leapt / SECOND),
  ),
  gauge('audit_backlog_entries', 'Entries of the audit log that are not yet on stable storage.', [], n =>
    single(n.audit?.backlog),
  ),
  gauge(
    'database_read',
    'Whether every record was read since the database was opened: 1, and 0 before.',
    [],
    n => single(n.database === null ? undefined : Number(n.database.isRead)),
  ),
  gauge('database_damaged', 'Whether the database is damaged, for which the KDC ends: 1 or 0.', [], n =>
    single(n.database === null ? undefined : Number(n.database.isDamaged)),
  ),
  gauge(
    'replica_current',
    'Whether this KDC has seen all changes of the store that it shares with others: 1, or 0 while it grants nothing.',
    [],
    n => single(n.replica === null ? undefined : Number(n.replica.isCurrent)),
  ),
  gauge('replicas', 'KDCs that share the store, this one included.', [], n => single(n.replica?.members)),
  counter(
    'replica_notices_total',
    'What became of this KDC among those that share its store: joined, lost, current; put_out counts others that it put out.',
    ['notice'],
    n => counts('notice', n.replica?.notices ?? {}),
  ),
  gauge('disk_free_bytes', 'What may still be written to the disk of the data folder.', [], n =>
    single(n.disk?.free),
  ),
  gauge('disk_size_bytes', 'The size of that disk.', [], n => single(n.disk?.size)),
  gauge('disk_required_bytes', 'Below this much room the KDC is not ready.', [], n =>
    single(n.disk?.required),
  ),
  gauge('ready', 'Whether the KDC can do all of its work, as /readyz says: 1 or 0.', [], n =>
    single(n.ready ? 1 : 0),
  ),
]

export const DEFINITIONS: readonly Definition[] = [
  ...REQUESTS,
  ...CONNECTIONS,
  ...REVOCATION,
  ...REALM,
  ...MACHINE,
]
