import { pairOf } from '../../shared/administration/policy-change.js'
import type { DecidingRule } from '../../shared/administration/rule.js'
import { toHex } from '../../shared/bytes.js'
import type { Logger } from '../../shared/logger.js'
import type { EventOf, KdcEvent, Origin } from './events.js'
import type { RecordChange } from './record-change.js'
import { factsOfNotice, REPLICA_WORDS } from './replica-line.js'

/** How each event reads in the log. */

export interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: object
  /** Set if such lines can be provoked for ever. */
  readonly counted?: Counted
}

/** What kind of line this is, and the name that it counts for. */
export interface Counted {
  readonly quota: 'refusals' | 'tickets' | 'leaps'
  /** Begins with `ADDRESS` if it is an address. */
  readonly requester: string
}

/** All but what is about to be done: the log has what was done. */
export type LoggedEvent = Exclude<KdcEvent, { readonly kind: 'record_changing' }>

type Lines = { readonly [K in LoggedEvent['kind']]: (event: EventOf<K>) => Line }

const LINES: Lines = {
  kdc_started: ({ kind, ...fields }) => ({ level: 'info', message: 'KDC listening', fields }),
  kdc_closed: ({ kind, ...fields }) => ({ level: 'info', message: 'KDC closed', fields }),
  ticket_granted: ({
    origin: { exchange, address, tgt, mayBeRepeat },
    client,
    service,
    ticketId,
    endTime,
  }) => ({
    level: 'info',
    message: 'ticket issued',
    fields: { exchange, client, address, service, ticketId: toHex(ticketId), ...idOf('tgt', tgt), endTime },
    counted: { quota: 'tickets', requester: mayBeRepeat ? `${ADDRESS}${address}` : client },
  }),
  ticket_denied: ({ id, origin: { exchange, address }, client, service, rule, code, reason }) => ({
    level: 'warn',
    message: 'ticket denied',
    fields: { exchange, client, address, service, code, reason, ...toldRule(rule), id },
    counted: { quota: 'tickets', requester: client },
  }),
  request_refused: ({ id, origin, code, reason, facts }) => ({
    level: 'warn',
    message: 'request refused',
    fields: { ...fieldsOf(origin), code, reason, ...facts, ...toldId(id) },
    counted: refusalOf(origin),
  }),
  request_failed: ({ id, origin, expected, reason, facts, failure }) => ({
    level: 'error',
    message: expected ? 'request failed' : 'unexpected failure while answering',
    fields: { ...fieldsOf(origin), code: 'unavailable', reason, ...facts, ...toldId(id), failure },
    counted: refusalOf(origin),
  }),
  request_repeated: ({ origin }) => ({
    level: 'info',
    message: 'a proved request was repeated; further repeats of it are not logged',
    fields: fieldsOf(origin),
    counted: refusalOf(origin),
  }),
  record_changed: ({ by, change }) => ({
    level: 'info',
    message: 'administration',
    fields: { by: actorsOf(by), ...toldOf(change) },
  }),
  change_uncertain: ({ by, change, failure }) => ({
    level: 'error',
    message: 'administration: a change failed, and may have been stored',
    fields: { by: actorsOf(by), ...toldOf(change), failure },
  }),
  records_read: ({ by, method, on }) => ({
    level: 'info',
    message: 'administration',
    fields: { by: actorsOf(by), method, on },
  }),
  channel_opened: ({ origin, endTime }) => ({
    level: 'debug',
    message: 'channel opened',
    fields: { ...fieldsOf(origin), endTime },
  }),
  channel_ended: ({ origin, broken, reason }) =>
    broken
      ? {
          level: 'warn',
          message: 'channel broken',
          fields: { ...fieldsOf(origin), reason },
          counted: refusalOf(origin),
        }
      : { level: 'debug', message: 'channel ended', fields: { ...fieldsOf(origin), reason } },
  follower_doubled: ({ principal, addresses }) => ({
    level: 'warn',
    message:
      'two addresses follow the revocation log as one principal: does each process have a principal of its own?',
    fields: { principal, addresses },
    counted: { quota: 'refusals', requester: principal },
  }),
  connection_refused: ({ address, reason, limit, failure }) => ({
    level: failure === undefined ? 'warn' : 'error',
    message: 'connection refused',
    fields: { address, reason, limit, failure },
    counted: refusalOf({ address }),
  }),
  handshake_refused: ({ kind, ...fields }) => ({ level: 'debug', message: 'handshake refused', fields }),
  connection_closed: ({ kind, ...fields }) => ({ level: 'debug', message: 'connection closed', fields }),
  connection_failed: ({ kind, ...fields }) => ({ level: 'debug', message: 'connection failed', fields }),
  accept_failed: ({ failure }) => ({
    level: 'error',
    message: 'cannot accept connections',
    fields: { failure },
    counted: { quota: 'refusals', requester: 'the platform' },
  }),
  clock_leapt: ({ kind, ...fields }) => ({
    level: 'error',
    message:
      fields.by > 0
        ? "the KDC's clock leapt ahead: it was set, or this machine slept"
        : "the KDC's clock leapt back: it was set",
    fields,
    counted: { quota: 'leaps', requester: 'the clock' },
  }),
  clock_steady: ({ kind, ...fields }) => ({
    level: 'info',
    message: "the KDC's clock has not leapt for an hour; /health no longer says that it may be wrong",
    fields,
  }),
  key_schedule_failed: ({ principal, failure }) => ({
    level: 'error',
    message:
      principal === null
        ? 'invitations or rules that ended long ago could not be cleared away; it is tried again'
        : "a key of the KDC's own that is due could not be changed or erased; it is tried again",
    fields: principal === null ? { failure } : { principal, failure },
  }),
  database_damaged: ({ reason, hint }) => ({
    level: 'error',
    message: 'the KDC ends, because its database is damaged',
    fields: { reason, hint },
  }),
  audit_failed: ({ directory, failure }) => ({
    level: 'error',
    message: 'the audit log cannot be written: nothing is administered until it can, and tickets are granted',
    fields: { directory, failure },
  }),
  audit_written: ({ directory, dropped }) => ({
    level: dropped > 0 ? 'error' : 'info',
    message:
      dropped > 0
        ? 'the audit log is written again; it has no more than the number of what there was no room for'
        : 'the audit log is written again, and lacks nothing',
    fields: { directory, dropped },
  }),
  audit_noted: ({ directory, isFault, reason, details }) => ({
    level: isFault ? 'error' : 'info',
    message: `the audit log: ${reason}`,
    fields: { directory, ...details },
  }),
  replica_noticed: ({ replica, notice }) => ({
    ...REPLICA_WORDS[notice.kind],
    fields: { replica, ...factsOfNotice(notice) },
  }),
  connection_abandoned: ({ address, failure }) => ({
    level: 'error',
    message: 'unexpected failure while answering; the connection is cut',
    fields: { address, failure },
    counted: refusalOf({ address }),
  }),
}

/** What the name of a requester begins with that is only known by its address. */
export const ADDRESS = 'address '

/** Counts for the proved name, so that nobody else can use up its lines; otherwise for the address. */
function refusalOf({ address, client, by, mayBeRepeat }: Origin): Counted {
  const proved = by?.join(' ') ?? (mayBeRepeat ? undefined : client)
  return { quota: 'refusals', requester: proved ?? `${ADDRESS}${address}` }
}

function fieldsOf({ mayBeRepeat, tgt, ticketId, ...origin }: Origin): object {
  return { ...origin, ...idOf('tgt', tgt), ...idOf('ticketId', ticketId) }
}

function idOf(name: string, id: Uint8Array | undefined): object {
  return id === undefined ? {} : { [name]: toHex(id) }
}

/** As an administrator types it: `deny web@demo.example orders@demo.example`. */
function toldRule(rule: DecidingRule | null): object {
  return rule === null ? {} : { rule: `${rule.effect} ${rule.client} ${rule.service}` }
}

function toldId(id: string | null): object {
  return id === null ? {} : { id }
}

function actorsOf(by: readonly string[]): readonly string[] | string {
  return by.length > 0 ? by : 'the KDC itself'
}

function toldOf(change: RecordChange): object {
  const told = { method: change.method, on: subjectsOf(change) }
  switch (change.method) {
    case 'next-key':
    case 'rotate':
    case 'replace-key':
    case 'new-password':
    case 'reset-password':
      return { ...told, kvno: change.kvno }
    case 'erase-keys':
      return { ...told, kvnos: change.kvnos }
    case 'set-realm':
      return { ...told, settings: change.settings }
    case 'promote':
    case 'enrol': {
      const { method, principal, ...facts } = change
      return { ...told, ...facts }
    }
    case 'rotate-master-key':
      return { ...told, stage: change.stage }
    case 'uninvite':
      return { ...told, used: change.used }
    default:
      return told
  }
}

/** What a change is about: principals, patterns of rules, ids of tickets. */
export function subjectsOf(change: RecordChange): readonly string[] {
  switch (change.method) {
    case 'allow':
    case 'deny':
      return [change.rule.client, change.rule.service]
    case 'forget':
      return [change.client, change.service]
    case 'revoke-ticket':
      return [toHex(change.ticketId), ...(change.principal === null ? [] : [change.principal])]
    case 'set-realm':
      return [change.settings.realm]
    case 'apply-policy':
      return [
        ...change.rules.map(replaced => pairOf(replaced).join(' ')),
        ...change.members.map(({ group, principal }) => `${group} ${principal}`),
      ]
    case 'rotate-master-key':
      return [change.realm]
    case 'group-add':
    case 'group-remove':
      return [change.group, ...change.principals]
    case 'clear-rules':
      return change.rules.map(([client, service]) => `${client} ${service}`)
    case 'clear-invitations':
      return change.principals
    case 'invite':
      return [change.principal, change.target]
    default:
      return [change.principal]
  }
}

/** The line that an event is written as. */
export function lineOf(event: LoggedEvent): Line {
  const toLine = LINES[event.kind] as (event: LoggedEvent) => Line
  return toLine(event)
}
