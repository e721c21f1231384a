import type { MapEdge, MapNode } from './clusters.js'
import type { MapDrawingProps } from './drawing-props.js'
import { MapLines } from './map-lines.js'
import { MapNodes } from './map-nodes.js'

/** The map itself: nodes and lines, placed by SVG attributes alone. */
export function MapDrawing(props: MapDrawingProps) {
  const { picture, size } = props
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no field sets
    <svg
      class="map-drawing"
      width={size.width}
      height={size.height}
      role="group"
      aria-label={labelFor(picture.clustering.nodes, picture.lines)}
    >
      <Arrows />
      <MapLines {...props} />
      <MapNodes {...props} />
    </svg>
  )
}

function labelFor(nodes: readonly MapNode[], lines: readonly MapEdge[]): string {
  const keys = 'Arrow keys go from one to the next, Enter opens it'
  return `Who asks whom: ${lines.length} lines, ${nodes.length} nodes. ${keys}. The table has the same.`
}

const ARROWS = ['plain', 'new', 'bad'] as const

/** The tips of lines. */
function Arrows() {
  return (
    <defs>
      {ARROWS.map(kind => (
        <marker
          key={kind}
          id={`map-arrow-${kind}`}
          class={`map-arrow map-arrow-${kind}`}
          viewBox="0 0 8 8"
          refX="2"
          refY="4"
          markerWidth="9"
          markerHeight="9"
          markerUnits="userSpaceOnUse"
          orient="auto"
        >
          <path d="M0 0L8 4L0 8Z" />
        </marker>
      ))}
    </defs>
  )
}
