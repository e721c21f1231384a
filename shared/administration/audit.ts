import type { Value } from '../encoding/encoding.js'
import { fields, listOf, nullable, numberOf, patternOf, textOf } from '../encoding/fields.js'
import { malformed } from '../errors.js'
import type { Pattern } from '../pattern.js'

/** The audit log of a KDC: what its lines say, and how administrators ask for them. Times in milliseconds. */

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

/** Which lines are asked for. A pattern is met by the client or by the service that presents its ticket. */
export interface AuditFilter {
  readonly client: Pattern | null
  /** Met by the service of a ticket, and by an act of administration that is about it. */
  readonly service: Pattern | null
  readonly outcome: AuditOutcome | null
  /** Not before this time. */
  readonly since: number | null
}

/** Where the next page begins: a file, by the number of its first line, and an offset in it. */
export interface AuditPlace {
  readonly file: number
  readonly offset: number
}

/** The longest time that `audit` waits for a line, milliseconds. */
export const AUDIT_WAIT_MAX = 30_000

/** The most lines of one page. */
export const AUDIT_ROWS = 200

/** `audit`: lines that pass the filter, from a place on; nil for the first page. */
export interface AuditQuestion {
  readonly filter: AuditFilter
  readonly place: AuditPlace | null
  /** How long the answer may wait for another line, if the place is the end of the log. */
  readonly wait: number
}

export interface AuditPage {
  /** The lines as they stand in the log. */
  readonly lines: readonly string[]
  readonly next: AuditPlace
  /** Whether nothing stood behind it when it was read. */
  readonly isEnd: boolean
}

export function encodeAuditQuestion({ filter, place, wait }: AuditQuestion): Value[] {
  return [encodeFilter(filter), place && encodePlace(place), wait]
}

/** @throws OrthrusError `malformed` */
export function decodeAuditQuestion(args: readonly Value[]): AuditQuestion {
  const [filter, place, wait] = fields(args, 3)
  const milliseconds = numberOf(wait)
  if (milliseconds > AUDIT_WAIT_MAX) throw malformed(`a wait of more than ${AUDIT_WAIT_MAX} ms`)
  return { filter: decodeFilter(filter), place: nullable(place, decodePlace), wait: milliseconds }
}

export function encodeAuditPage({ lines, next, isEnd }: AuditPage): Value[] {
  return [[...lines], encodePlace(next), isEnd]
}

/** @throws OrthrusError `malformed` */
export function decodeAuditPage(results: readonly Value[]): AuditPage {
  const [lines, next, isEnd] = fields(results, 3)
  return { lines: listOf(lines, AUDIT_ROWS).map(textOf), next: decodePlace(next), isEnd: isEnd === true }
}

/** `uses`: who got tickets for what. */
export type UsesQuestion = Omit<AuditQuestion, 'wait'>

/** What one client got, or did not get, for one service. */
export interface Use {
  readonly client: string
  readonly service: string
  readonly granted: number
  readonly denied: number
  /** When it last asked, and from which address. */
  readonly at: number
  readonly from: string
}

/** The most rows of one page of uses. */
export const USE_ROWS = 1_000

export interface UsesPage {
  readonly uses: readonly Use[]
  readonly next: AuditPlace
  readonly isEnd: boolean
}

export function encodeUsesQuestion({ filter, place }: UsesQuestion): Value[] {
  return [encodeFilter(filter), place && encodePlace(place)]
}

/** @throws OrthrusError `malformed` */
export function decodeUsesQuestion(args: readonly Value[]): UsesQuestion {
  const [filter, place] = fields(args, 2)
  return { filter: decodeFilter(filter), place: nullable(place, decodePlace) }
}

export function encodeUsesPage({ uses, next, isEnd }: UsesPage): Value[] {
  const rows = uses.map(({ client, service, granted, denied, at, from }) => [
    client,
    service,
    granted,
    denied,
    at,
    from,
  ])
  return [rows, encodePlace(next), isEnd]
}

/** @throws OrthrusError `malformed` */
export function decodeUsesPage(results: readonly Value[]): UsesPage {
  const [uses, next, isEnd] = fields(results, 3)
  return { uses: listOf(uses, USE_ROWS).map(decodeUse), next: decodePlace(next), isEnd: isEnd === true }
}

function decodeUse(value: Value): Use {
  const [client, service, granted, denied, at, from] = fields(value, 6)
  return {
    client: textOf(client),
    service: textOf(service),
    granted: numberOf(granted),
    denied: numberOf(denied),
    at: numberOf(at),
    from: textOf(from),
  }
}

function encodeFilter({ client, service, outcome, since }: AuditFilter): Value[] {
  return [client, service, outcome, since]
}

function decodeFilter(value: Value | undefined): AuditFilter {
  const [client, service, outcome, since] = fields(value, 4)
  return {
    client: nullable(client, patternOf),
    service: nullable(service, patternOf),
    outcome: nullable(outcome, word => wordOf(word, AUDIT_OUTCOMES) as AuditOutcome),
    since: nullable(since, numberOf),
  }
}

function encodePlace({ file, offset }: AuditPlace): Value[] {
  return [file, offset]
}

function decodePlace(value: Value | undefined): AuditPlace {
  const [file, offset] = fields(value, 2)
  return { file: numberOf(file), offset: numberOf(offset) }
}
