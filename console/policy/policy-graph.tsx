import { useSignal } from '@preact/signals'
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { ruleCells } from '../../shared/administration/rule-text.js'
import type { RealmName } from '../../shared/principal.js'
import { Name } from '../parts/name.js'
import { visibleText } from '../parts/visible-text.js'
import { termsText } from '../realm/terms.js'
import { counted } from '../realm/words.js'
import { type Graph, type GraphEdge, type GraphNode, graphOf, labelsOf, pathOf } from './graph.js'
import type { Chosen } from './rule-filter.js'

export interface PolicyGraphProps {
  readonly rules: readonly PolicyRule[]
  readonly realm: RealmName
  readonly now: number
  readonly chosen: Chosen | undefined
  readonly onChoose: (chosen: Chosen | undefined) => void
  /** Called for a node of several names, with what they have in common. */
  readonly onNarrow: (text: string) => void
  readonly onOpen: (rule: PolicyRule) => void
}

/** The width before it is known, pixels. */
const FIRST_WIDTH = 720

/** Policy as a picture. What it says, and what can be done in it, is in the list beside it too. */
export function PolicyGraph({ rules, realm, now, chosen, onChoose, onNarrow, onOpen }: PolicyGraphProps) {
  const place = useRef<HTMLDivElement>(null)
  const width = useSignal(FIRST_WIDTH)
  useLayoutEffect(() => {
    const box = place.current
    if (box === null) return
    const observer = new ResizeObserver(() => {
      width.value = Math.max(280, box.clientWidth)
    })
    observer.observe(box)
    return () => observer.disconnect()
  }, [])
  const graph = useMemo(() => graphOf(rules, width.value, now), [rules, width.value])
  const labels = useMemo(() => labelsOf(graph, edge => labelOf(edge, graph, realm)), [graph])
  const isChosen = (node: GraphNode): boolean => chosen?.side === node.side && chosen.label === node.label
  const press = (node: GraphNode): void => {
    if (node.kind === 'several') onNarrow(node.label.replace(/…$/, ''))
    else onChoose(isChosen(node) ? undefined : { side: node.side, members: node.members, label: node.label })
  }
  const pick = (edge: GraphEdge): void => {
    const [only, ...more] = edge.rules
    if (only !== undefined && more.length === 0) onOpen(only)
    else onNarrow(edge.from.label.replace(/…$/, ''))
  }
  return (
    <section class="policy-graph" aria-label="Graph of the rules" ref={place}>
      <div class="policy-sides quiet" aria-hidden="true">
        <span>Clients</span>
        <span>Services</span>
      </div>
      <div class="policy-picture" style={{ height: `${graph.height}px` }}>
        <svg width={graph.width} height={graph.height} aria-hidden="true">
          {graph.edges.map(edge => (
            <Edge
              key={edge.id}
              edge={edge}
              graph={graph}
              realm={realm}
              isQuiet={chosen !== undefined && !isChosen(edge.from) && !isChosen(edge.to)}
              onPick={() => pick(edge)}
            />
          ))}
          {labels.map(({ edge, text, x, y }) => (
            <text key={edge.id} class="policy-label" x={x} y={y}>
              {text}
            </text>
          ))}
        </svg>
        {graph.nodes.map(node => (
          <button
            type="button"
            key={node.id}
            class={`policy-node policy-node-${node.kind}`}
            aria-pressed={node.kind === 'several' ? undefined : isChosen(node)}
            style={{
              transform: `translate(${node.x}px, ${node.y}px)`,
              width: `${graph.nodeWidth}px`,
              height: `${graph.nodeHeight}px`,
            }}
            onClick={() => press(node)}
          >
            <span class="policy-name">
              <span class="unseen">{node.side} </span>
              <Name name={node.label} realm={realm} />
              <span class="unseen">, {kindWords(node)}</span>
            </span>
            <span class="policy-count quiet">
              {node.rules}
              <span class="unseen"> {node.rules === 1 ? 'rule' : 'rules'}</span>
            </span>
          </button>
        ))}
      </div>
    </section>
  )
}

const KIND_WORDS = {
  principal: '',
  instances: 'every instance, ',
  group: 'group, ',
  everyone: 'everyone, ',
} as const

/** What only the shape of a node shows. */
function kindWords({ kind, members }: GraphNode): string {
  return kind === 'several' ? `${counted(members.length, 'name')}, ` : KIND_WORDS[kind]
}

/** How many lines there may be, and how much room between the sides, for each to say its terms. */
const LABELLED = { LINES: 24, ROOM: 280, LETTERS: 30 } as const

function labelOf({ rules, state }: GraphEdge, graph: Graph, realm: RealmName): string {
  const room = graph.width - 2 * graph.nodeWidth
  const [only, ...more] = rules
  if (state === 'ended' || graph.edges.length > LABELLED.LINES || room < LABELLED.ROOM || only === undefined)
    return ''
  if (more.length > 0) return counted(rules.length, 'rule')
  const terms = visibleText(termsText(realm, only))
  return terms.length > LABELLED.LETTERS ? `${terms.slice(0, LABELLED.LETTERS - 1)}…` : terms
}

interface EdgeProps {
  readonly edge: GraphEdge
  readonly graph: Graph
  readonly realm: RealmName
  readonly isQuiet: boolean
  readonly onPick: () => void
}

/** How many rules of a line its tooltip names. */
const MOST = 12

function Edge({ edge, graph, realm, isQuiet, onPick }: EdgeProps) {
  const path = pathOf(edge, graph)
  const told = edge.rules.slice(0, MOST).map(rule => ruleCells(realm, rule).join(' ').trimEnd())
  const more = edge.rules.length > MOST ? [`and ${edge.rules.length - MOST} more`] : []
  return (
    // Beside it is the list, which is for keyboards.
    // biome-ignore lint/a11y/noStaticElementInteractions: the picture is hidden from what does not point
    <g class={`policy-edge policy-edge-${edge.state}`} data-quiet={isQuiet} onClick={onPick}>
      <title>{[...told, ...more].map(visibleText).join('\n')}</title>
      <path class="policy-line" d={path} />
      <path class="policy-hit" d={path} />
    </g>
  )
}
