import type { AuditFields } from '../../../shared/administration/audit-line.js'
import type { DecidingRule } from '../../../shared/administration/rule.js'
import { toHex } from '../../../shared/bytes.js'
import { SIZE } from '../../../shared/constants.js'
import type { ErrorFacts } from '../../../shared/errors.js'
import type { Actor, EventOf, KdcEvent, Origin } from '../events.js'
import type { Failure } from '../failure.js'
import { subjectsOf } from '../lines.js'
import type { RecordChange } from '../record-change.js'
import { factsOfNotice, REPLICA_WORDS } from '../replica-line.js'
import { timeText } from './time-text.js'

/** What the audit log says of each event; `undefined` for what is neither an exchange nor an act. */

type Entries = { readonly [K in KdcEvent['kind']]: ((event: EventOf<K>) => AuditFields) | undefined }

const ENTRIES: Entries = {
  kdc_started: ({ realm, host, port }) => ({
    kind: 'kdc',
    outcome: 'noted',
    reason: 'started',
    details: { realm, host, port },
  }),
  kdc_closed: ({ reason = 'ended in good order' }) => ({ kind: 'kdc', outcome: 'noted', reason }),
  ticket_granted: ({ origin, client, service, rule, ticketId, endTime }) => ({
    kind: 'ticket',
    outcome: 'granted',
    exchange: origin.exchange,
    client,
    from: origin.address,
    service,
    rule: toldRule(rule),
    ticket: hexOf(ticketId),
    tgt: idOf(origin.tgt),
    ends: timeText(endTime),
  }),
  ticket_denied: ({ id, origin, client, service, rule, code, reason }) => ({
    kind: 'ticket',
    outcome: 'denied',
    exchange: origin.exchange,
    client,
    from: origin.address,
    service,
    rule: toldRule(rule),
    code,
    id,
    reason,
    tgt: idOf(origin.tgt),
  }),
  request_refused: ({ id, origin, code, reason, facts }) => ({
    kind: 'request',
    outcome: 'refused',
    ...toldOrigin(origin, facts),
    code,
    id: id ?? undefined,
    reason,
    details: factsOf(facts),
  }),
  request_failed: ({ id, origin, expected, reason, facts, failure }) => ({
    kind: 'request',
    outcome: 'failed',
    ...toldOrigin(origin, facts),
    code: 'unavailable',
    id: id ?? undefined,
    reason,
    details: expected ? factsOf(facts) : toldFailure(failure),
  }),
  request_repeated: ({ origin }) => ({ kind: 'request', outcome: 'repeated', ...toldOrigin(origin) }),
  record_changing: event => ({ ...toldChange(event), outcome: 'planned' }),
  record_changed: event => toldChange(event),
  change_uncertain: event => ({
    ...toldChange(event),
    outcome: 'uncertain',
    reason: `${event.failure.code ?? event.failure.name}: ${event.failure.message}`,
  }),
  records_read: ({ method, on, ...actor }) => ({
    kind: 'administration',
    outcome: 'read',
    ...toldActor(actor),
    method,
    on,
  }),
  channel_opened: ({ origin, endTime }) => ({
    kind: 'channel',
    outcome: 'opened',
    ...toldOrigin(origin),
    ends: timeText(endTime),
  }),
  channel_ended: ({ origin, broken, reason }) => ({
    kind: 'channel',
    outcome: broken ? 'failed' : 'ended',
    ...toldOrigin(origin),
    reason,
  }),
  follower_doubled: ({ principal, addresses }) => ({
    kind: 'kdc',
    outcome: 'noted',
    client: principal,
    reason: 'two addresses follow the revocation log as one principal',
    details: { addresses },
  }),
  clock_leapt: ({ by, leapt }) => ({
    kind: 'kdc',
    outcome: 'noted',
    reason: 'the clock leapt',
    details: { by, leapt },
  }),
  clock_steady: undefined,
  key_schedule_failed: ({ principal, failure }) => ({
    kind: 'kdc',
    outcome: 'failed',
    reason: 'the schedule of keys failed; it is tried again',
    on: principal === null ? undefined : [principal],
    details: toldFailure(failure),
  }),
  database_damaged: ({ reason }) => ({ kind: 'kdc', outcome: 'failed', reason }),
  connection_refused: undefined,
  handshake_refused: undefined,
  connection_closed: undefined,
  connection_failed: undefined,
  accept_failed: undefined,
  connection_abandoned: undefined,
  audit_failed: undefined,
  audit_written: undefined,
  audit_noted: undefined,
  replica_noticed: ({ replica, notice }) => ({
    kind: 'kdc',
    outcome: 'noted',
    reason: REPLICA_WORDS[notice.kind].message,
    details: { replica, ...factsOfNotice(notice) },
  }),
}

/** Whether the audit log has a line of it. */
export function isAudited({ kind }: KdcEvent): boolean {
  return ENTRIES[kind] !== undefined
}

/** @throws TypeError for an event that is not audited */
export function entryOf(event: KdcEvent): AuditFields {
  const toEntry = ENTRIES[event.kind] as ((event: KdcEvent) => AuditFields) | undefined
  if (toEntry === undefined) throw new TypeError(`${event.kind} is not audited`)
  return toEntry(event)
}

/** As an administrator types it: `allow web@demo.example orders@demo.example`. */
function toldRule(rule: DecidingRule | null): string | undefined {
  return rule === null ? undefined : `${rule.effect} ${rule.client} ${rule.service}`
}

function idOf(id: Uint8Array | undefined): string | undefined {
  return id === undefined ? undefined : hexOf(id)
}

/** Ids are copied here: the platform's own code is faster than `toHex`, but not on memory that is not its own. */
const room = Buffer.allocUnsafeSlow(SIZE.TICKET_ID)

function hexOf(id: Uint8Array): string {
  if (id.length !== room.length) return toHex(id)
  room.set(id)
  return room.toString('hex')
}

/** A request that proved no key has no client: who it claims to be is among its facts. */
function toldOrigin(
  { exchange, address, client, by, method, tgt, ticketId }: Origin,
  { service }: ErrorFacts = {},
): Partial<AuditFields> {
  const [first, via] = by ?? []
  return {
    exchange,
    client: first ?? client,
    via,
    from: address,
    service,
    method,
    ticket: idOf(ticketId),
    tgt: idOf(tgt),
  }
}

function toldActor({ by: [client, via], address, ticketId }: Actor): Partial<AuditFields> {
  return { client, via, from: address, ticket: idOf(ticketId) }
}

function toldChange({ change, ...actor }: Actor & { readonly change: RecordChange }): AuditFields {
  const { method, ...rest } = change
  const details = 'ticketId' in rest ? { ...rest, ticketId: toHex(rest.ticketId) } : rest
  return {
    kind: 'administration',
    outcome: 'changed',
    ...toldActor(actor),
    method,
    on: subjectsOf(change),
    details,
  }
}

/** The hint is for the person who asked. */
function factsOf({ hint, ...facts }: ErrorFacts): object | undefined {
  return Object.keys(facts).length === 0 ? undefined : facts
}

function toldFailure({ name, message, code }: Failure): object {
  return { name, message, ...(code === undefined ? {} : { code }) }
}
