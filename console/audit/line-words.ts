import type { AuditRow } from '../../client/channel/audit-reading.js'
import type { AuditKind, AuditLine, AuditOutcome } from '../../shared/administration/audit-line.js'

/** A line of the audit log in words, as `orthrus admin audit` shows it. */

/** Red is only for what went wrong. */
export function lookOf(outcome: AuditOutcome): 'bad' | 'warn' | 'plain' {
  if (outcome === 'denied' || outcome === 'refused' || outcome === 'failed') return 'bad'
  return outcome === 'uncertain' ? 'warn' : 'plain'
}

/** What stands where the client is, if it is not one. */
const WHOSE: Partial<Record<AuditKind, string>> = { log: 'the audit log', kdc: 'the KDC' }

export function whoOf({ kind, client }: AuditLine): string {
  return WHOSE[kind] ?? client ?? (kind === 'administration' ? 'the KDC itself' : 'nobody proved')
}

/** The rest of the line in one piece of text, after who, and for which service. */
export function restOf(line: AuditLine): string {
  const { kind, client, via, method, on, exchange, code, reason, count, rule } = line
  const about = WHOSE[kind] === undefined || client === undefined ? '' : `about ${client}`
  const parts = [
    about,
    via === undefined ? '' : `by way of ${via}`,
    method === undefined ? '' : [method, ...(on ?? [])].join(' '),
    exchange ?? '',
    code ?? '',
    reason ?? '',
    count === undefined ? '' : `${count} of them`,
    rule === undefined ? '' : `by the rule ${rule}`,
  ]
  return parts.filter(part => part !== '').join(' · ')
}

/** What a line says, with the words for it, in the order of its detail. */
export const DETAILS = [
  ['kind', 'about'],
  ['outcome', 'outcome'],
  ['exchange', 'exchange'],
  ['client', 'client'],
  ['via', 'by way of'],
  ['service', 'service'],
  ['method', 'method'],
  ['rule', 'rule'],
  ['code', 'code'],
  ['reason', 'reason'],
  ['id', 'id of the refusal'],
  ['from', 'from the address'],
  ['ticket', 'ticket'],
  ['tgt', 'its TGT'],
  ['ends', 'ends'],
  ['count', 'how many more'],
  ['replica', 'written by the KDC'],
] as const satisfies readonly (readonly [keyof AuditLine, string])[]

/** How many lines are missing between two that follow each other in what was found without a filter. */
export function missingBetween(one: AuditRow | undefined, other: AuditRow | undefined): number {
  if (one === undefined || other === undefined) return 0
  return Math.max(0, Math.abs(one.line.n - other.line.n) - 1)
}

/** `audit-2026-05-01T10-00-00.jsonl`, for a file that is saved. @param now milliseconds */
export function fileNameOf(now: number): string {
  return `audit-${new Date(now).toISOString().slice(0, 19).replaceAll(':', '-')}.jsonl`
}
