import { malformed } from '../errors.js'

/** A line of the audit log of a KDC. Times in milliseconds, but for `at` and `ends`. */

/** What came of an event. */
export const AUDIT_OUTCOMES = [
  'granted',
  'denied',
  'refused',
  'failed',
  'repeated',
  'opened',
  'ended',
  'planned',
  'changed',
  'uncertain',
  'read',
  'noted',
] as const
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number]

/** What a line is about: a ticket, a request, a channel, an act of administration, the KDC itself, or the log itself. */
export const AUDIT_KINDS = ['ticket', 'request', 'channel', 'administration', 'kdc', 'log'] as const
export type AuditKind = (typeof AUDIT_KINDS)[number]

/** What a line says besides its number and its time. Ids of tickets are hexadecimal digits. */
export interface AuditFields {
  readonly kind: AuditKind
  readonly outcome: AuditOutcome
  readonly exchange?: string | undefined
  /** Who: the client of a ticket, or the administrator. Absent for the KDC's own process. */
  readonly client?: string | undefined
  /** The service that presents the client's ticket, if it is not the client. */
  readonly via?: string | undefined
  /** The address that the request comes from. */
  readonly from?: string | undefined
  /** For which service. */
  readonly service?: string | undefined
  /** A method of administration. */
  readonly method?: string | undefined
  /** The principals, rules or tickets that it is about. */
  readonly on?: readonly string[] | undefined
  /** The rule of policy that decided, as an administrator types it. */
  readonly rule?: string | undefined
  readonly code?: string | undefined
  /** Of a refusal: its client knows it too (`orthrus admin why --id`). */
  readonly id?: string | undefined
  readonly reason?: string | undefined
  /** The ticket that was granted, or that a channel was opened with. */
  readonly ticket?: string | undefined
  /** The TGT that the ticket came from. */
  readonly tgt?: string | undefined
  /** When the ticket, or the channel, ends. */
  readonly ends?: string | undefined
  /** How many further ones are not in the log. */
  readonly count?: number | undefined
  /** What else was changed, found or said. */
  readonly details?: unknown
}

export interface AuditLine extends AuditFields {
  /** From 1, without gaps. */
  readonly n: number
  /** ISO 8601, in UTC. */
  readonly at: string
  /** Which KDC wrote it, where several share the realm. */
  readonly replica?: string | undefined
}

/** The longest line, bytes. */
export const AUDIT_LINE_BYTES = 16 * 1024

const TEXTS = [
  'exchange',
  'client',
  'via',
  'from',
  'service',
  'method',
  'rule',
  'code',
  'id',
  'reason',
  'ticket',
  'tgt',
  'ends',
  'replica',
] as const

/** A line as the KDC wrote it. Fields that this version does not know are ignored. @throws OrthrusError `malformed` */
export function decodeAuditLine(text: string): AuditLine {
  const found = objectOf(text)
  const { n, at, kind, outcome } = found
  if (!Number.isSafeInteger(n) || (n as number) < 1)
    throw malformed('a line of the audit log without its number')
  if (typeof at !== 'string' || Number.isNaN(Date.parse(at)))
    throw malformed('a line of the audit log without its time')
  const line: Record<string, unknown> = {
    n,
    at,
    kind: wordOf(kind, AUDIT_KINDS),
    outcome: wordOf(outcome, AUDIT_OUTCOMES),
  }
  for (const name of TEXTS) {
    const value = found[name]
    if (value === undefined) continue
    if (typeof value !== 'string') throw malformed(`${name} of a line of the audit log is no text`)
    line[name] = value
  }
  const { on, count, details } = found
  if (on !== undefined) line.on = namesOf(on)
  if (count !== undefined) line.count = countOf(count)
  if (details !== undefined) line.details = details
  return line as unknown as AuditLine
}

/** @throws OrthrusError `malformed` */
export function outcomeOf(value: unknown): AuditOutcome {
  return wordOf(value, AUDIT_OUTCOMES) as AuditOutcome
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed('a line of the audit log that is not JSON')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.assign(Object.create(null), value)
  throw malformed('a line of the audit log that is no object')
}

function wordOf(value: unknown, words: readonly string[]): string {
  if (typeof value === 'string' && words.includes(value)) return value
  throw malformed('a line of the audit log with an unknown kind or outcome')
}

function namesOf(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every(each => typeof each === 'string')) return value
  throw malformed('a line of the audit log whose subjects are no names')
}

function countOf(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number
  throw malformed('a line of the audit log whose count is no number')
}
