import { OrthrusError } from '../../../shared/errors.js'
import { describeFailure } from '../failure.js'

/** What systems say when there is no room. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** The error of an act that cannot be written down. @param failure why; `undefined` if there is no room in memory */
export function auditRefusal(failure: unknown): OrthrusError {
  const { name, message, code } = describeFailure(failure ?? new Error('its backlog is full'))
  const why = code ?? `${name}: ${message}`
  return new OrthrusError(
    'unavailable',
    `the audit log cannot be written (${why}), so nothing is administered`,
    {
      hint: FULL.has(why) ? 'the disk is full: free some space' : 'the log of the KDC says more',
      cause: failure,
    },
  )
}
