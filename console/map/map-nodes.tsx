import { useRef } from 'preact/hooks'
import { visibleText } from '../parts/visible-text.js'
import type { MapNode, NodeId } from './clusters.js'
import type { PrincipalKind } from './directory.js'
import type { MapDrawingProps } from './drawing-props.js'
import { type Direction, neighbour } from './geometry.js'
import type { Point } from './layout.js'
import { Shape } from './shape.js'
import { KIND_WORDS, labelOf } from './words.js'

const DIRECTIONS = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'] as const

/** All nodes are one stop for the Tab key. */
export function MapNodes(props: MapDrawingProps) {
  const { picture, places, selected } = props
  const place = useRef<SVGGElement>(null)
  const { nodes } = picture.clustering
  const stop = nodes.find(({ id }) => id === selected)?.id ?? nodes[0]?.id
  const onMove = (from: NodeId, direction: Direction): void =>
    focusNode(place.current, neighbour(places, from, direction))
  return (
    <g class="map-nodes" ref={place}>
      {nodes.map(node => {
        const at = places.get(node.id)
        return (
          at && (
            <Node key={node.id} node={node} at={at} isStop={node.id === stop} onMove={onMove} {...props} />
          )
        )
      })}
    </g>
  )
}

function focusNode(within: SVGGElement | null, id: NodeId | undefined): void {
  if (within === null || id === undefined) return
  for (const node of within.querySelectorAll<SVGGElement>('[data-node]'))
    if (node.getAttribute('data-node') === id) node.focus()
}

interface NodeProps extends MapDrawingProps {
  readonly node: MapNode
  readonly at: Point
  readonly isStop: boolean
  readonly onMove: (from: NodeId, direction: Direction) => void
}

function Node({ node, at, isStop, onMove, picture, realm, selected, kindOf, onSelect, onOpen }: NodeProps) {
  const isCluster = node.kind !== 'principal'
  const kind = isCluster ? 'cluster' : kindOf(node.name)
  const isRefused = picture.refusals.some(({ client }) => client !== undefined && client === node.name)
  const label = visibleText(labelOf(node, realm))
  const act = (): void => {
    onSelect(node.id)
    if (isCluster) onOpen(node.id)
  }
  const onKey = (event: KeyboardEvent): void => {
    const direction = DIRECTIONS.find(key => key === event.key)
    if (direction !== undefined) onMove(node.id, direction)
    else if (event.key === 'Enter' || event.key === ' ') act()
    else return
    event.preventDefault()
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no buttons
    <g
      class={`map-node map-node-${kind}`}
      data-node={node.id}
      data-selected={selected === node.id}
      data-refused={isRefused}
      role="button"
      tabindex={isStop ? 0 : -1}
      aria-label={`${label}: ${nodeLabel(node, kind, isRefused)}`}
      transform={`translate(${at.x} ${at.y})`}
      onClick={act}
      onKeyDown={onKey}
    >
      <title>{visibleText(node.name === '' ? label : node.name)}</title>
      <circle class="map-node-hit" r="20" />
      <Shape kind={kind} />
      {isCluster && (
        <text class="map-node-count" text-anchor="middle" y="4">
          {node.members.length}
        </text>
      )}
      <text class="map-node-name" text-anchor="middle" y="28">
        {label}
      </text>
    </g>
  )
}

function nodeLabel(
  { kind, name, members }: MapNode,
  drawn: PrincipalKind | 'cluster',
  isRefused: boolean,
): string {
  const refused = isRefused ? ', a request of it was refused' : ''
  if (drawn !== 'cluster') return visibleText(`${name}, ${KIND_WORDS[drawn]}${refused}`)
  const what = kind === 'others' ? 'others' : kind === 'group' ? `members of ${name}` : name
  return visibleText(`${members.length} ${what}: Enter draws each by itself`)
}
