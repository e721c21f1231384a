import type { Value } from '../encoding/encoding.js'
import { fields, listOf, nullable, numberOf, patternOf, textOf } from '../encoding/fields.js'
import { malformed } from '../errors.js'
import type { Pattern } from '../pattern.js'
import { type AuditOutcome, outcomeOf } from './audit-line.js'

/** How administrators ask for lines of the audit log. Times in milliseconds. */

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
    outcome: nullable(outcome, outcomeOf),
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
