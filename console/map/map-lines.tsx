import { useSignal } from '@preact/signals'
import { visibleText } from '../parts/visible-text.js'
import { lastDenial, type MapEdge, totalOf } from './clusters.js'
import type { MapDrawingProps } from './drawing-props.js'
import { type Curve, curveBetween } from './geometry.js'
import type { Point } from './layout.js'
import type { Picture } from './map-model.js'
import { rateOf, strengthOf, widthOf } from './rates.js'
import { countText, newnessWords, rateWords } from './words.js'

/** The lines of the map. All of them are one stop for the Tab key. */
export function MapLines(props: MapDrawingProps) {
  const { picture, places, selected } = props
  const current = useSignal<string | undefined>(undefined)
  const drawn = picture.lines.flatMap(line => {
    const [from, to] = [places.get(line.from), places.get(line.to)]
    const isThere = from !== undefined && to !== undefined && line.pairs.some(isAsked)
    return isThere ? [{ line, curve: curveBetween(from, to) }] : []
  })
  const stop = (drawn.find(({ line }) => line.id === current.value) ?? drawn[0])?.line.id
  return (
    <g class="map-lines">
      {drawn.map(({ line, curve }) => (
        <Line
          key={line.id}
          line={line}
          curve={curve}
          isSelected={selected === line.id}
          isStop={stop === line.id}
          onReach={() => {
            current.value = line.id
          }}
          {...props}
        />
      ))}
    </g>
  )
}

function isAsked({ granted, denied }: { readonly granted: number; readonly denied: number }): boolean {
  return granted + denied > 0
}

interface LineProps extends MapDrawingProps {
  readonly line: MapEdge
  readonly curve: Curve
  readonly isSelected: boolean
  readonly isStop: boolean
  readonly onReach: () => void
}

function Line({ line, curve, isSelected, isStop, picture, newnessOf, onSelect, onReach }: LineProps) {
  const { window, at: now } = picture
  const total = totalOf(line.pairs)
  const fresh = line.pairs.filter(pair => newnessOf(pair) !== undefined).length
  const isDenied = total.denied > 0
  const isNew = fresh === line.pairs.length
  const look = isDenied && total.granted <= 0 ? 'bad' : isNew ? 'new' : 'plain'
  const label = lineLabel(line, picture, newnessOf)
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no buttons
    <g
      class={`map-line map-line-${look}`}
      data-selected={isSelected}
      role="button"
      tabindex={isStop ? 0 : -1}
      aria-label={label}
      onClick={() => onSelect(line.id)}
      onFocus={onReach}
      onKeyDown={event => onLineKey(event, () => onSelect(line.id))}
    >
      <title>{label}</title>
      <path class="map-line-hit" d={curve.path} />
      <path
        class="map-line-stroke"
        d={curve.path}
        stroke-width={widthOf(rateOf(total, window)).toFixed(1)}
        stroke-opacity={strengthOf(now - total.at)}
        marker-end={`url(#map-arrow-${look})`}
      />
      {isDenied && <Mark at={curve.middle} kind="bad" text={`${countText(total.denied)} ✕`} />}
      {fresh > 0 && !isDenied && (
        <Mark at={curve.middle} kind="new" text={line.pairs.length === 1 ? 'new' : `${fresh} new`} />
      )}
    </g>
  )
}

const STEPS: Readonly<Record<string, 'nextElementSibling' | 'previousElementSibling'>> = {
  ArrowDown: 'nextElementSibling',
  ArrowRight: 'nextElementSibling',
  ArrowUp: 'previousElementSibling',
  ArrowLeft: 'previousElementSibling',
}

function onLineKey(event: KeyboardEvent, open: () => void): void {
  const step = Object.hasOwn(STEPS, event.key) ? STEPS[event.key] : undefined
  if (event.key === 'Enter' || event.key === ' ') open()
  else if (step !== undefined && event.currentTarget instanceof Element) {
    const next = event.currentTarget[step]
    if (next instanceof SVGElement) next.focus()
  } else return
  event.preventDefault()
}

function Mark({ at: { x, y }, kind, text }: { at: Point; kind: 'bad' | 'new'; text: string }) {
  const width = 10 + 6.5 * text.length
  return (
    <g class={`map-mark map-mark-${kind}`} transform={`translate(${x} ${y})`}>
      <rect x={-width / 2} y="-9" width={width} height="18" rx="3" />
      <text text-anchor="middle" y="4">
        {text}
      </text>
    </g>
  )
}

function lineLabel(
  { pairs }: MapEdge,
  { window, at }: Picture,
  newnessOf: MapDrawingProps['newnessOf'],
): string {
  const [first] = pairs
  if (first === undefined) return ''
  const whose = pairs.length === 1 ? `${first.client} asks for ${first.service}` : `${pairs.length} pairs`
  const denial = lastDenial(pairs)
  const fresh = pairs.flatMap(pair => newnessOf(pair) ?? [])
  const parts = [
    whose,
    rateWords(totalOf(pairs), window),
    ...(fresh[0] === undefined ? [] : [freshWords(pairs.length, fresh.length, newnessWords(fresh[0], at))]),
    ...(denial === undefined ? [] : [`last denied: ${denial.code}: ${denial.reason}`]),
  ]
  return visibleText(parts.join('; '))
}

/** Begins with what its mark on the map says. */
function freshWords(pairs: number, fresh: number, first: string): string {
  return pairs === 1 ? `new, ${first}` : `${fresh} new, the first one ${first}`
}
