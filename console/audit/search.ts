import type { AuditFilter } from '../../shared/administration/audit.js'
import {
  AUDIT_KINDS,
  AUDIT_OUTCOMES,
  type AuditKind,
  type AuditLine,
} from '../../shared/administration/audit-line.js'
import { EVERYONE, type Pattern, patternIn, patternsOf } from '../../shared/pattern.js'
import { isPrincipal, type RealmName } from '../../shared/principal.js'
import { parseDuration } from '../../shared/time.js'

/** What is looked for in the audit log: in the words of `orthrus admin audit`, as people type them. */

/** As it stands in the fields of the form, and in the address of the page. What is empty is not asked for. */
export interface TypedSearch {
  readonly since: string
  readonly until: string
  readonly client: string
  readonly service: string
  readonly outcome: string
  readonly kind: string
  readonly method: string
  readonly from: string
  /** A ticket, or the TGT that it came from. */
  readonly ticket: string
  /** Of a refusal. */
  readonly id: string
}

export const FIELDS = [
  'since',
  'until',
  'client',
  'service',
  'outcome',
  'kind',
  'method',
  'from',
  'ticket',
  'id',
] as const satisfies readonly (keyof TypedSearch)[]

/** As `orthrus admin audit` begins. */
export const NO_SEARCH: TypedSearch = {
  since: '1h',
  until: '',
  client: '',
  service: '',
  outcome: '',
  kind: '',
  method: '',
  from: '',
  ticket: '',
  id: '',
}

/** All of the log that is kept. */
export const ALL_KEPT = 'all'

/** The fields that a page's address names, as `client/web@demo.example/since/7d`. What it does not know it leaves out. */
export function searchIn(rest: readonly string[]): TypedSearch {
  const found: Record<string, string> = { ...NO_SEARCH }
  for (let i = 0; i + 1 < rest.length; i += 2) {
    const name = FIELDS.find(field => field === rest[i])
    if (name !== undefined) found[name] = rest[i + 1] ?? ''
  }
  return found as unknown as TypedSearch
}

/** The opposite: the parts of the address, without what is as it is anyway. */
export function placeOf(search: Partial<TypedSearch>): string[] {
  return FIELDS.flatMap(field => {
    const value = search[field]
    return value === undefined || value === '' || value === NO_SEARCH[field] ? [] : [field, value]
  })
}

/** What is looked for. Times are milliseconds. */
export interface Search {
  /** What the KDC looks for. `since` is null for all that is kept. */
  readonly filter: AuditFilter
  /** Before this time; null for now. */
  readonly until: number | null
  /** What the page itself looks for among the lines that the KDC finds. */
  readonly rest: RestOfSearch
}

interface RestOfSearch {
  readonly kind: AuditKind | null
  readonly method: string | null
  readonly from: string | null
  readonly ticket: string | null
  readonly id: string | null
}

/** Which fields cannot be searched by, each with what to type instead. */
export type Mistakes = Partial<Record<keyof TypedSearch, string>>

/** @param now the time of the KDC, milliseconds */
export function searchOf(
  realm: RealmName,
  typed: TypedSearch,
  now: number,
): { readonly search: Search } | { readonly mistakes: Mistakes } {
  const mistakes: { -readonly [K in keyof Mistakes]: Mistakes[K] } = {}
  const take = <T>(
    field: keyof TypedSearch,
    read: (text: string) => T | undefined,
    hint: string,
  ): T | null => {
    const text = typed[field].trim()
    if (text === '') return null
    const value = read(text)
    if (value === undefined) mistakes[field] = hint
    return value ?? null
  }
  const time = (text: string): number | undefined => timeOf(text, now)
  const pattern = (text: string): Pattern | undefined => {
    try {
      return patternIn(realm, text)
    } catch {
      return undefined
    }
  }
  const isAll = typed.since.trim() === ALL_KEPT
  const filter: AuditFilter = {
    client: take('client', pattern, NAMES),
    service: take('service', pattern, NAMES),
    outcome: take('outcome', text => AUDIT_OUTCOMES.find(each => each === text), ONE_OF_THE_LIST),
    since: isAll ? null : take('since', time, `${TIMES}, or ${ALL_KEPT}`),
  }
  const until = take('until', time, TIMES)
  const rest: RestOfSearch = {
    kind: take('kind', text => AUDIT_KINDS.find(each => each === text), ONE_OF_THE_LIST),
    method: take('method', text => text, ''),
    from: take('from', text => text, ''),
    ticket: take('ticket', hexIn, HEX),
    id: take('id', hexIn, HEX),
  }
  if (until !== null && filter.since !== null && until <= filter.since)
    mistakes.until = 'write a time behind the first one'
  return Object.keys(mistakes).length > 0 ? { mistakes } : { search: { filter, until, rest } }
}

const NAMES = 'write web, web/1, web/* or *'
const TIMES = 'write how long ago, as 15m or 7d, or a time, as 2027-01-31T12:00:00Z'
const ONE_OF_THE_LIST = 'choose one of the list'
const HEX = 'write its hexadecimal digits'

function timeOf(text: string, now: number): number | undefined {
  const ago = parseDuration(text)
  if (ago !== undefined) return Math.max(0, now - ago)
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text)) return undefined
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : Math.max(0, time)
}

function hexIn(text: string): string | undefined {
  return /^[0-9a-f]+$/i.test(text) ? text.toLowerCase() : undefined
}

/** Whether the line is one that is looked for: what the KDC looks at for itself, and the rest. */
export function fits({ filter, until, rest }: Search, line: AuditLine): boolean {
  const at = Date.parse(line.at)
  if (filter.since !== null && at < filter.since) return false
  if (until !== null && at >= until) return false
  if (filter.outcome !== null && line.outcome !== filter.outcome) return false
  if (!meets(filter.client, [line.client, line.via])) return false
  if (!meets(filter.service, [line.service, ...(line.on ?? [])])) return false
  return fitsRest(rest, line)
}

/** What the KDC did not look at. */
export function fitsRest({ kind, method, from, ticket, id }: RestOfSearch, line: AuditLine): boolean {
  if (kind !== null && line.kind !== kind) return false
  if (method !== null && line.method !== method) return false
  if (from !== null && line.from?.includes(from) !== true) return false
  if (ticket !== null && ![line.ticket, line.tgt].some(each => each?.startsWith(ticket) === true))
    return false
  return id === null || line.id?.startsWith(id) === true
}

/** As the KDC does it: a group matches nobody, since the log does not say who was in it. */
function meets(pattern: Pattern | null, names: readonly (string | undefined)[]): boolean {
  if (pattern === null) return true
  return names.some(
    name =>
      name !== undefined &&
      (pattern === EVERYONE || pattern === name || (isPrincipal(name) && patternsOf(name).includes(pattern))),
  )
}
