import './audit.css'
import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import type { AuditRow } from '../../client/channel/audit-reading.js'
import { goTo } from '../app/route.js'
import { Empty } from '../parts/empty.js'
import { VirtualList } from '../parts/virtual-list.js'
import type { ViewProps } from '../session/session.js'
import { AuditBar } from './audit-bar.js'
import { AuditModel, type Order, type Progress } from './audit-model.js'
import { AuditNotices } from './audit-notices.js'
import { LineDetail } from './line-detail.js'
import { LineRow } from './line-row.js'
import { missingBetween } from './line-words.js'
import { type Mistakes, placeOf, searchIn, searchOf, type TypedSearch } from './search.js'
import { SearchForm } from './search-form.js'
import { useNarrow } from './use-narrow.js'

/** What stands in place of lines where there are none. */
const NOTHING: Readonly<Record<Progress['kind'], string>> = {
  reading: 'The log is being read.',
  paused: 'No line fits so far.',
  done: 'No line fits. A misspelt name fits none, and a longer time finds more.',
  full: '',
  failed: '',
}

/** The audit log: searched, followed, and each line of it whole. */
export function AuditView({ session, rest }: ViewProps) {
  const model = useMemo(() => new AuditModel(session), [session])
  const place = rest.join('\n')
  const typed = useMemo(() => searchIn(rest), [place])
  const order = useSignal<Order>('newest')
  const mistakes = useSignal<Mistakes>({})
  const selected = useSignal<AuditRow | undefined>(undefined)
  const isNarrow = useNarrow()
  const begin = (asked: TypedSearch): void => {
    const found = searchOf(session.realm, asked, session.now())
    mistakes.value = 'mistakes' in found ? found.mistakes : {}
    selected.value = undefined
    if ('search' in found) void model.start(found.search, order.value)
  }
  useEffect(() => () => model.end(), [model])
  useEffect(() => begin(typed), [model, typed])
  useFollowing(model)
  const search = (asked: TypedSearch, wanted: Order): void => {
    order.value = wanted
    const there = placeOf(asked)
    // The same place again is another search of the same: time has passed.
    if (there.join('\n') === placeOf(typed).join('\n')) begin(asked)
    else goTo('audit', ...there)
  }
  const rows = model.rows.value
  const isWhole = placeOf({ ...typed, since: '', until: '' }).length === 0
  return (
    <div class="audit">
      <SearchForm typed={typed} order={order.value} mistakes={mistakes.value} onSearch={search} />
      <AuditNotices session={session} model={model} />
      <AuditBar session={session} model={model} isFollowable={typed.until === ''} />
      <div class="audit-stage">
        {rows.length === 0 ? (
          <Empty>{NOTHING[model.progress.value.kind]}</Empty>
        ) : (
          <VirtualList
            rows={rows}
            rowHeight={isNarrow ? 76 : 34}
            label="Lines of the audit log"
            keyOf={({ line }) => String(line.n)}
            onOpen={row => {
              selected.value = row
            }}
            render={(row, i) => (
              <LineRow
                row={row}
                realm={session.realm}
                missing={isWhole ? missingBetween(rows[i - 1], row) : 0}
                isSelected={selected.value === row}
              />
            )}
          />
        )}
        {selected.value !== undefined && (
          <LineDetail
            row={selected.value}
            realm={session.realm}
            now={session.now()}
            onClose={() => {
              selected.value = undefined
            }}
          />
        )}
      </div>
    </div>
  )
}

/** While it follows, what came since the last frame is shown at once. */
function useFollowing(model: AuditModel): void {
  const isOn = model.isFollowing.value
  useEffect(() => {
    if (!isOn) return
    let frame = requestAnimationFrame(function take() {
      model.takeFresh()
      frame = requestAnimationFrame(take)
    })
    return () => cancelAnimationFrame(frame)
  }, [model, isOn])
}
