import type { OrthrusError } from '../shared/errors.js'
import { SECOND } from '../shared/time.js'
import { inBackground, runAfter, type Timers } from '../shared/timers.js'
import type { Report } from './report/report.js'
import type { BackgroundCheck, Turns } from './store/level/background-check.js'

export interface EndParts {
  readonly check: BackgroundCheck | undefined
  readonly report: Report
  readonly timers: Timers
  /** Closes the KDC; called again, it returns the same promise. */
  readonly close: () => Promise<void>
}

const RETRY = 10 * SECOND

/** Requests have their turn between one page of records and the next. */
function turnsOf(timers: Timers): Turns {
  const background = inBackground(timers)
  return {
    page: () => new Promise(resolve => setImmediate(resolve)),
    retry: () => new Promise(resolve => runAfter(background, RETRY, resolve)),
  }
}

/**
 * Begins to read the records that were not read before the KDC served. If something is wrong, it closes the KDC: what is
 * missing may be the record that denies what the KDC would grant.
 * @returns resolves when it has closed for that, with what is wrong. Never rejects
 */
export function endOnDamage({ check, report, timers, close }: EndParts): Promise<OrthrusError> {
  return new Promise(resolve => {
    check?.damage.then(async cause => {
      report.tell({ kind: 'database_damaged', reason: cause.reason, hint: cause.facts.hint })
      await close().catch(() => undefined)
      resolve(cause)
    })
    check?.begin(turnsOf(timers))
  })
}
