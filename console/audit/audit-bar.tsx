import { Button } from '../parts/button.js'
import { timeWords } from '../parts/words.js'
import type { Session } from '../session/session.js'
import { type AuditModel, ROWS_MAX } from './audit-model.js'
import { fileNameOf } from './line-words.js'

export interface AuditBarProps {
  readonly session: Session
  readonly model: AuditModel
  /** Whether new lines can fit at all. */
  readonly isFollowable: boolean
}

/** How far the search came, what came meanwhile, and what to do with it. */
export function AuditBar({ session, model, isFollowable }: AuditBarProps) {
  const rows = model.rows.value
  const fresh = model.fresh.value
  const { kind } = model.progress.value
  return (
    <div class="audit-bar">
      <span role="status">
        {rows.length} {rows.length === 1 ? 'line' : 'lines'}
        {reachWords(model)}
      </span>
      {kind === 'paused' && <Button onPress={() => void model.more()}>Look further</Button>}
      {kind === 'full' && <span class="audit-warn">No more than {ROWS_MAX} are shown: search for less.</span>}
      {isFollowable && fresh > 0 && !model.isFollowing.value && (
        <Button kind="main" onPress={() => model.takeFresh()}>
          {fresh} new {fresh === 1 ? 'line' : 'lines'}
        </Button>
      )}
      {isFollowable && (
        <label class="audit-follow">
          <input
            type="checkbox"
            checked={model.isFollowing.value}
            onChange={event => {
              model.isFollowing.value = event.currentTarget.checked
            }}
          />
          Show new lines as they come
        </label>
      )}
      <Button disabled={rows.length === 0} onPress={() => save(model, session.now())}>
        Save as JSON lines
      </Button>
    </div>
  )
}

function reachWords(model: AuditModel): string {
  const since = model.since.value
  const { kind } = model.progress.value
  const isReading = kind === 'reading' ? ', reading' : ''
  if (since === undefined) return isReading
  if (since === null) return `, of all that is kept${isReading}`
  return `, read from ${timeWords(since)} UTC on${isReading}`
}

/** Gives what was found to the person as a file, made in the page. */
function save(model: AuditModel, now: number): void {
  const text = model.rows.value.map(row => `${row.text}\n`).join('')
  const url = URL.createObjectURL(new Blob([text], { type: 'application/jsonl' }))
  const link = document.createElement('a')
  link.href = url
  link.download = fileNameOf(now)
  link.click()
  URL.revokeObjectURL(url)
}
