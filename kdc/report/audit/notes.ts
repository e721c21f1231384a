import type { AuditFields } from '../../../shared/administration/audit-line.js'

/** What the log says of itself. */
export interface AuditNote {
  readonly isFault: boolean
  readonly reason: string
  readonly details: object
}

/** A note as a line of the log. */
export function noteEntry({ isFault, reason, details }: AuditNote): AuditFields {
  return { kind: 'log', outcome: isFault ? 'failed' : 'noted', reason, details }
}

/** Said where there was no room for what came. */
export const DROPPED = 'there was no room for what came'

/** Said of an address or client that exceeded its share. */
export const OMITTED = 'further lines of one requester were left out'

/** Said before old files are removed. */
export const REMOVED = 'old files are removed'
