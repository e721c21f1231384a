import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type Simulation,
  type SimulationLinkDatum,
  type SimulationNodeDatum,
} from 'd3-force'
import type { MapEdge, MapNode, NodeId } from './clusters.js'

/** Where nodes are drawn. The same nodes, lines and earlier places give the same places. */

export interface Point {
  readonly x: number
  readonly y: number
}
export type Places = ReadonlyMap<NodeId, Point>

/** How many steps a layout takes at most: the first one, and one that only makes room for what is new. */
const STEPS = { first: 240, further: 80 } as const
/** How strongly a node that had a place is held there. */
const HOLD = 0.6

interface Body extends SimulationNodeDatum {
  readonly id: NodeId
  /** Where it was before. */
  readonly held: Point | undefined
}

interface LayoutOptions {
  readonly nodes: readonly MapNode[]
  readonly edges: readonly Pick<MapEdge, 'from' | 'to'>[]
  /** Where nodes were: they stay about there. */
  readonly before: Places
  /** How much wider than high the map is. */
  readonly aspect: number
}

/** A layout that is made in small parts, so that it never keeps the page from being drawn. */
export class Layout {
  readonly #simulation: Simulation<Body, undefined>
  #left: number

  constructor({ nodes, edges, before, aspect }: LayoutOptions) {
    const known = nodes.filter(({ id }) => before.has(id)).length
    this.#left = known === 0 ? STEPS.first : known === nodes.length ? 0 : STEPS.further
    const bodies = placed(nodes, edges, before)
    const links = edges
      .filter(({ from, to }) => from !== to)
      .map(({ from, to }): SimulationLinkDatum<Body> => ({ source: from, target: to }))
    this.#simulation = forceSimulation(bodies)
      .stop()
      .alpha(known === 0 ? 1 : 0.5)
      .alphaDecay(1 - 0.002 ** (1 / Math.max(1, this.#left)))
      .force(
        'links',
        forceLink<Body, SimulationLinkDatum<Body>>(links)
          .id(({ id }) => id)
          .distance(110)
          .strength(0.25),
      )
      .force('apart', forceManyBody<Body>().strength(-380).distanceMax(600))
      .force('room', forceCollide<Body>(46).strength(0.8))
      .force(
        'x',
        forceX<Body>(({ held }) => held?.x ?? 0).strength(({ held }) => strength(held, 0.09 / aspect)),
      )
      .force(
        'y',
        forceY<Body>(({ held }) => held?.y ?? 0).strength(({ held }) => strength(held, 0.09 * aspect)),
      )
  }

  get isDone(): boolean {
    return this.#left <= 0
  }

  /** Goes some steps further. @returns the places as they are then */
  step(count: number): Places {
    const steps = Math.min(count, this.#left)
    if (steps > 0) this.#simulation.tick(steps)
    this.#left -= steps
    return new Map(this.#simulation.nodes().map(({ id, x = 0, y = 0 }) => [id, { x, y }]))
  }
}

function strength(held: Point | undefined, otherwise: number): number {
  return held === undefined ? Math.min(0.3, otherwise) : HOLD
}

/** New nodes begin beside those that they speak with, or on a spiral round the middle. */
function placed(
  nodes: readonly MapNode[],
  edges: readonly Pick<MapEdge, 'from' | 'to'>[],
  before: Places,
): Body[] {
  return nodes.map(({ id }, i) => {
    const held = before.get(id)
    if (held !== undefined) return { id, held, x: held.x, y: held.y }
    const peers = edges.flatMap(({ from, to }) => (from === id ? [to] : to === id ? [from] : []))
    const near = peers.flatMap(peer => before.get(peer) ?? [])
    const middle = near.length === 0 ? { x: 0, y: 0 } : meanOf(near)
    // The golden angle: no two begin at the same place.
    const angle = i * 2.399963
    const radius = near.length === 0 ? 18 * Math.sqrt(i + 0.5) : 70
    return { id, held, x: middle.x + radius * Math.cos(angle), y: middle.y + radius * Math.sin(angle) }
  })
}

function meanOf(points: readonly Point[]): Point {
  const sum = points.reduce((a, b) => ({ x: a.x + b.x, y: a.y + b.y }), { x: 0, y: 0 })
  return { x: sum.x / points.length, y: sum.y / points.length }
}

export interface Box extends Point {
  readonly width: number
  readonly height: number
}

/** The part of the plane that holds all places, and room for their names. */
export function boxOf(places: Places, least: { readonly width: number; readonly height: number }): Box {
  const points = [...places.values()]
  const xs = points.map(({ x }) => x)
  const ys = points.map(({ y }) => y)
  const [left, right] = points.length === 0 ? [0, 0] : [Math.min(...xs), Math.max(...xs)]
  const [top, bottom] = points.length === 0 ? [0, 0] : [Math.min(...ys), Math.max(...ys)]
  const width = Math.max(least.width, right - left + 2 * MARGIN.x)
  const height = Math.max(least.height, bottom - top + 2 * MARGIN.y)
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height }
}

/** Room for half a name beside a node, and for a name below it. */
const MARGIN = { x: 64, y: 44 } as const
