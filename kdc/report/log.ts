import { toHex } from '../../shared/bytes.js'
import type { Logger } from '../../shared/logger.js'
import { SECOND } from '../../shared/time.js'
import { LEAPS_LOGGED, REFUSALS_LOGGED } from '../limits/defaults.js'
import { NETWORK_SHARES, networksOf } from '../limits/networks.js'
import type { EventOf, KdcEvent, Origin, RecordChange } from './events.js'
import { failsafeLogger } from './failsafe-logger.js'
import { LineQuota } from './line-quota.js'
import type { Listener } from './report.js'

/** The log: writes every event as a line. */

interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: object
  /** The name that the line counts for. Set if anybody can provoke such lines for ever. */
  readonly requester?: string
  /** Counted by `LEAPS_LOGGED`. */
  readonly isLeap?: true
}

type Lines = { readonly [K in KdcEvent['kind']]: (event: EventOf<K>) => Line }

const LINES: Lines = {
  kdc_started: ({ kind, ...fields }) => ({ level: 'info', message: 'KDC listening', fields }),
  kdc_closed: ({ kind, ...fields }) => ({ level: 'info', message: 'KDC closed', fields }),
  ticket_granted: ({ origin: { exchange, address }, client, service, ticketId, endTime }) => ({
    level: 'info',
    message: 'ticket issued',
    fields: { exchange, client, address, service, ticketId: toHex(ticketId), endTime },
  }),
  ticket_denied: ({ origin: { exchange, address }, client, service, code, reason }) => ({
    level: 'warn',
    message: 'ticket denied',
    fields: { exchange, client, address, service, code, reason },
  }),
  request_refused: ({ origin, code, reason, facts }) => ({
    level: 'warn',
    message: 'request refused',
    fields: { ...fieldsOf(origin), code, reason, ...facts },
    requester: requesterOf(origin),
  }),
  request_failed: ({ origin, expected, reason, facts, failure }) => ({
    level: 'error',
    message: expected ? 'request failed' : 'unexpected failure while answering',
    fields: { ...fieldsOf(origin), code: 'unavailable', reason, ...facts, failure },
    requester: requesterOf(origin),
  }),
  request_repeated: ({ origin }) => ({
    level: 'info',
    message: 'a proved request was repeated; further repeats of it are not logged',
    fields: fieldsOf(origin),
    requester: requesterOf(origin),
  }),
  record_changed: ({ by, change }) => ({
    level: 'info',
    message: 'administration',
    fields: { by: actorsOf(by), method: change.method, on: subjectsOf(change) },
  }),
  records_read: ({ by, method, on }) => ({
    level: 'info',
    message: 'administration',
    fields: { by: actorsOf(by), method, on },
  }),
  channel_opened: ({ origin, endTime }) => ({
    level: 'debug',
    message: 'channel opened',
    fields: { ...origin, endTime },
  }),
  channel_ended: ({ origin, broken, reason }) =>
    broken
      ? {
          level: 'warn',
          message: 'channel broken',
          fields: { ...origin, reason },
          requester: requesterOf(origin),
        }
      : { level: 'debug', message: 'channel ended', fields: { ...origin, reason } },
  connection_refused: ({ address, reason, limit, failure }) => ({
    level: failure === undefined ? 'warn' : 'error',
    message: 'connection refused',
    fields: { address, reason, limit, failure },
    requester: requesterOf({ address }),
  }),
  handshake_refused: ({ kind, ...fields }) => ({ level: 'debug', message: 'handshake refused', fields }),
  connection_closed: ({ kind, ...fields }) => ({ level: 'debug', message: 'connection closed', fields }),
  connection_failed: ({ kind, ...fields }) => ({ level: 'debug', message: 'connection failed', fields }),
  accept_failed: ({ failure }) => ({
    level: 'error',
    message: 'cannot accept connections',
    fields: { failure },
    requester: 'the platform',
  }),
  clock_leapt: ({ kind, ...fields }) => ({
    level: 'error',
    message:
      fields.by > 0
        ? "the KDC's clock leapt ahead: it was set, or this machine slept"
        : "the KDC's clock leapt back: it was set",
    fields,
    requester: 'the clock',
    isLeap: true,
  }),
  clock_behind: ({ kind, ...fields }) => ({
    level: 'error',
    message:
      "the KDC's clock is behind the newest time that it stored; KDC time stands still until the clock reaches it",
    fields,
  }),
  connection_abandoned: ({ address, failure }) => ({
    level: 'error',
    message: 'unexpected failure while answering; the connection is cut',
    fields: { address, failure },
    requester: requesterOf({ address }),
  }),
}

const ADDRESS = 'address '

/** The proved name, so that nobody else can use up its lines; otherwise the address. */
function requesterOf({ address, client, by, mayBeRepeat }: Origin): string {
  return by?.join(' ') ?? (mayBeRepeat ? undefined : client) ?? `${ADDRESS}${address}`
}

function fieldsOf({ mayBeRepeat, ...origin }: Origin): Omit<Origin, 'mayBeRepeat'> {
  return origin
}

function actorsOf(by: readonly string[]): readonly string[] | string {
  return by.length > 0 ? by : 'the KDC itself'
}

function subjectsOf(change: RecordChange): readonly string[] {
  switch (change.method) {
    case 'allow':
    case 'deny':
      return [change.rule.client, change.rule.service]
    case 'forget':
      return [change.client, change.service]
    default:
      return [change.principal]
  }
}

const REFUSALS_OMITTED = 'too many refusals: further ones are not logged for now'
const LEAPS_OMITTED = 'the clock keeps leaping: further leaps are not logged for now'

/**
 * Writes every event to the log. Refusals have a quota for each address or proved client (`REFUSALS_LOGGED`), because
 * anybody can provoke them for ever and a disk is finite; the last line of a quota says that further ones are omitted.
 * Errors of the KDC are counted apart from warnings, so that a flood of warnings cannot hide them. The networks of an
 * IPv6 address have quotas too, because one host has many addresses.
 * @param monotonic milliseconds of a clock that is never set
 */
export function logListener(logger: Logger, monotonic: () => number): Listener {
  const { points, interval } = REFUSALS_LOGGED
  const refusals = NETWORK_SHARES.map(share => new LineQuota({ points: points * share, interval }, monotonic))
  const leaps = [new LineQuota(LEAPS_LOGGED, monotonic)]
  const failsafe = failsafeLogger(logger)
  return event => {
    const { level, message, fields, requester, isLeap } = lineOf(event)
    if (requester === undefined) return failsafe[level](fields, message)
    const quotas = isLeap ? leaps : refusals
    for (const [i, name] of countedNames(requester).entries()) {
      const { fate, left } = quotas[i]?.take(`${level} ${name}`) ?? WRITTEN
      if (fate === 'written') continue
      const omission = { requester: name, seconds: Math.ceil(left / SECOND) }
      if (fate === 'last') failsafe[level](omission, isLeap ? LEAPS_OMITTED : REFUSALS_OMITTED)
      return
    }
    failsafe[level](fields, message)
  }
}

const WRITTEN = { fate: 'written', left: 0 } as const

/** The names that a line counts for, in the order of the quotas. */
function countedNames(requester: string): readonly string[] {
  if (!requester.startsWith(ADDRESS)) return [requester]
  return networksOf(requester.slice(ADDRESS.length)).map(network => `${ADDRESS}${network}`)
}

function lineOf(event: KdcEvent): Line {
  const toLine = LINES[event.kind] as (event: KdcEvent) => Line
  return toLine(event)
}
