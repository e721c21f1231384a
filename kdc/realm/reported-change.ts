import type { Actor } from '../report/events.js'
import { describeFailure } from '../report/failure.js'
import type { RecordChange } from '../report/record-change.js'
import type { Report } from '../report/report.js'
import { StoreConflict } from '../store/store.js'
import type { Planned, RealmWriter } from './realm-writer.js'

/** A change of the realm, and what is reported once it is on stable storage. */
export interface ReportedChange<T> extends Planned<T> {
  /** Nothing is reported of a plan without changes. */
  readonly reported: RecordChange | undefined
}

/** Who makes a change, through which writer, and who is told. */
export interface ChangeContext {
  readonly change: RealmWriter['change']
  readonly report: Report
  readonly actor: Actor
}

/**
 * Makes a change, and reports it twice: before it is stored, and before this resolves. What cannot be written down
 * first is not changed. A change that the store may have written, although it failed, is reported as well.
 * @param plan as `RealmWriter.change` takes it
 * @throws OrthrusError `unavailable`, what `plan` throws, and what a listener throws
 */
export async function changeReported<T>(
  { change, report, actor }: ChangeContext,
  plan: (now: number) => Promise<ReportedChange<T>>,
): Promise<T> {
  let planned: RecordChange | undefined
  const made = change(async now => {
    planned = undefined
    const { changes, effect, result, reported } = await plan(now)
    if (reported !== undefined) await report.record({ kind: 'record_changing', ...actor, change: reported })
    planned = reported
    return { changes, effect, result: { result, reported } }
  })
  const { result, reported } = await made.catch((cause: unknown) => {
    if (planned !== undefined && !isConflict(cause)) {
      report.tell({ kind: 'change_uncertain', ...actor, change: planned, failure: describeFailure(cause) })
    }
    throw cause
  })
  if (reported !== undefined) await report.record({ kind: 'record_changed', ...actor, change: reported })
  return result
}

/** The store wrote nothing, because another process was always first. */
function isConflict(cause: unknown): boolean {
  return cause instanceof Error && cause.cause instanceof StoreConflict
}
