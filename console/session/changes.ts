import type { AuditLine } from '../../shared/administration/audit-line.js'
import { CHANGE_KINDS, type ChangeKind } from './session.js'

/** What an act of administration changes, so that a view knows from the audit log when to read again. */

const KINDS_OF: Readonly<Record<string, readonly ChangeKind[]>> = {
  add: ['principals'],
  remove: ['principals', 'invitations'],
  enable: ['principals'],
  disable: ['principals'],
  'revoke-client': ['principals'],
  'revoke-ticket': ['principals'],
  'revoke-key': ['principals'],
  rotate: ['principals'],
  'replace-key': ['principals'],
  'next-key': ['principals'],
  // The first login of a host uses its invitation up.
  promote: ['principals', 'invitations'],
  'new-password': ['principals'],
  'reset-password': ['principals'],
  'erase-keys': ['principals'],
  'group-add': ['principals', 'policy'],
  'group-remove': ['principals', 'policy'],
  allow: ['policy'],
  deny: ['policy'],
  forget: ['policy'],
  'clear-rules': ['policy'],
  'apply-policy': ['policy', 'principals'],
  invite: ['invitations', 'principals'],
  uninvite: ['invitations', 'principals'],
  enrol: ['invitations', 'principals'],
  'clear-invitations': ['invitations', 'principals'],
  'rotate-master-key': ['realm'],
  'set-realm': ['realm', 'principals', 'policy'],
}

const CHANGING: ReadonlySet<string> = new Set(['changed', 'uncertain'])

/** @returns the kinds of records that a line tells a change of; all of them for a method of a later KDC */
export function changedBy({ kind, outcome, method }: AuditLine): readonly ChangeKind[] {
  if (kind !== 'administration' || !CHANGING.has(outcome)) return []
  return (
    (method !== undefined && Object.hasOwn(KINDS_OF, method) ? KINDS_OF[method] : undefined) ?? CHANGE_KINDS
  )
}
