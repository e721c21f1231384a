import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { windowOf } from './window.js'

export interface VirtualListProps<Row> {
  readonly rows: readonly Row[]
  /** Pixels; every row has it. */
  readonly rowHeight: number
  readonly render: (row: Row, index: number) => ComponentChildren
  /** What it is a list of, for who does not see it. */
  readonly label: string
  /** Tells rows apart, so that one keeps its state when others come before it. Default: its place. */
  readonly keyOf?: (row: Row) => string
  /** Called for Enter on a row, and for a click on it that no link or button in it takes. */
  readonly onOpen?: (row: Row) => void
}

/** The height before it is known, pixels. */
const FIRST_HEIGHT = 600

/**
 * A list of any length, of which only what is seen is drawn. It has one stop for the Tab key: arrows, Page Up and Down, Home
 * and End move between its rows.
 */
export function VirtualList<Row>({ rows, rowHeight, render, label, keyOf, onOpen }: VirtualListProps<Row>) {
  const place = useRef<HTMLDivElement>(null)
  const top = useSignal(0)
  const height = useSignal(FIRST_HEIGHT)
  const current = useSignal(0)
  const wantsFocus = useRef(false)
  useLayoutEffect(() => {
    const list = place.current
    if (list === null) return
    const observer = new ResizeObserver(() => {
      height.value = list.clientHeight
    })
    observer.observe(list)
    return () => observer.disconnect()
  }, [])
  const active = Math.min(current.value, Math.max(0, rows.length - 1))
  useLayoutEffect(() => {
    if (!wantsFocus.current) return
    wantsFocus.current = false
    place.current
      ?.querySelector<HTMLElement>(`[aria-rowindex="${active + 1}"]`)
      ?.focus({ preventScroll: true })
  })
  const moveTo = (wanted: number): void => {
    const index = Math.max(0, Math.min(rows.length - 1, wanted))
    const list = place.current
    if (list === null) return
    const at = index * rowHeight
    if (at < list.scrollTop) list.scrollTop = at
    else if (at + rowHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = at + rowHeight - list.clientHeight
    top.value = list.scrollTop
    wantsFocus.current = true
    current.value = index
  }
  const page = Math.max(1, Math.floor(height.value / rowHeight) - 1)
  const MOVES: Readonly<Record<string, number>> = {
    ArrowDown: active + 1,
    ArrowUp: active - 1,
    PageDown: active + page,
    PageUp: active - page,
    Home: 0,
    End: rows.length - 1,
  }
  const onKey = (event: KeyboardEvent): void => {
    // What is inside a row has its own keys.
    if (!(event.target instanceof Element) || event.target.getAttribute('role') !== 'row') return
    const row = rows[active]
    const to = Object.hasOwn(MOVES, event.key) ? MOVES[event.key] : undefined
    if (to !== undefined) moveTo(to)
    else if (event.key === 'Enter' && row !== undefined && onOpen !== undefined) onOpen(row)
    else return
    event.preventDefault()
  }
  const { first, end } = windowOf(rows.length, rowHeight, top.value, height.value)
  const isDrawn = active >= first && active < end
  return (
    <div
      ref={place}
      class="list"
      role="grid"
      aria-label={label}
      aria-rowcount={rows.length}
      aria-readonly="true"
      tabIndex={isDrawn ? -1 : 0}
      onKeyDown={onKey}
      onScroll={event => {
        top.value = event.currentTarget.scrollTop
      }}
    >
      <div class="list-rows" role="rowgroup" style={{ height: `${rows.length * rowHeight}px` }}>
        {rows.slice(first, end).map((row, i) => {
          const index = first + i
          return (
            <div
              key={keyOf?.(row) ?? index}
              class="list-row"
              role="row"
              aria-rowindex={index + 1}
              tabIndex={index === active ? 0 : -1}
              style={{ transform: `translateY(${index * rowHeight}px)`, height: `${rowHeight}px` }}
              onFocus={() => {
                current.value = index
              }}
              onClick={event => {
                if (event.target instanceof Element && event.target.closest('a, button, input') === null)
                  onOpen?.(row)
              }}
            >
              <div class="list-cell" role="gridcell">
                {render(row, index)}
              </div>
            </div>
          )
        })}
      </div>
    </div>
  )
}
