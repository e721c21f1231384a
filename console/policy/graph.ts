import { isOver, type PolicyRule } from '../../shared/administration/rule.js'
import { EVERYONE, isGroup, type Pattern } from '../../shared/pattern.js'
import { folded } from './fold.js'

/** Policy as a picture: clients on the left, services on the right, and a line for each rule. Pure functions of values. */

export type NodeKind = 'principal' | 'instances' | 'group' | 'everyone' | 'several'
export type Side = 'client' | 'service'

export interface GraphNode {
  readonly id: string
  readonly side: Side
  readonly kind: NodeKind
  /** A pattern, or the beginning of several with `…` behind it. */
  readonly label: string
  readonly members: readonly Pattern[]
  /** Its upper left corner. */
  readonly x: number
  readonly y: number
  /** How many rules it is in. */
  readonly rules: number
}

export type EdgeState = 'allow' | 'deny' | 'ended' | 'both'

export interface GraphEdge {
  readonly id: string
  readonly from: GraphNode
  readonly to: GraphNode
  readonly rules: readonly PolicyRule[]
  readonly state: EdgeState
}

export interface Graph {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
  readonly width: number
  readonly height: number
  /** The size of each node. */
  readonly nodeWidth: number
  readonly nodeHeight: number
}

/** Pixels. */
export const NODE_HEIGHT = 32
const ROW = 40
const MARGIN = 8
const NODE_WIDTH_MAX = 220

/** How many nodes a side has at most, if folding can do it. */
const MOST = 30
/** How often the two sides are put in order after each other. */
const ROUNDS = 4

/** @param width of the picture, pixels. @param now KDC time, milliseconds */
export function graphOf(rules: readonly PolicyRule[], width: number, now: number): Graph {
  const clients = sideOf('client', rules)
  const services = sideOf('service', rules)
  const pairs = pairsOf(rules, clients, services)
  const [left, right] = ordered(clients, services, [...pairs.values()])
  const nodeWidth = Math.max(96, Math.min(NODE_WIDTH_MAX, Math.floor(width * 0.36)))
  const rows = Math.max(left.length, right.length)
  const height = Math.max(1, rows) * ROW + 2 * MARGIN
  const place = (fold: Half, i: number, count: number): GraphNode => ({
    ...fold,
    x: fold.side === 'client' ? MARGIN : width - nodeWidth - MARGIN,
    y: MARGIN + ((i + 0.5) * rows * ROW) / count - NODE_HEIGHT / 2,
    rules: fold.rules,
  })
  const nodes = [
    ...left.map((fold, i) => place(fold, i, left.length)),
    ...right.map((fold, i) => place(fold, i, right.length)),
  ]
  const byId = new Map(nodes.map(node => [node.id, node]))
  const edges = [...pairs].flatMap(([id, { from, to, rules }]): GraphEdge[] => {
    const ends = [byId.get(from), byId.get(to)] as const
    return ends[0] === undefined || ends[1] === undefined
      ? []
      : [{ id, from: ends[0], to: ends[1], rules, state: stateOf(rules, now) }]
  })
  return { nodes, edges, width, height, nodeWidth, nodeHeight: NODE_HEIGHT }
}

/** The line of an edge, for the `d` of a path. */
export function pathOf({ from, to }: GraphEdge, { nodeWidth, nodeHeight }: Graph): string {
  const [x1, y1] = [from.x + nodeWidth, from.y + nodeHeight / 2]
  const [x2, y2] = [to.x, to.y + nodeHeight / 2]
  const bend = (x2 - x1) / 2
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
}

/** Words of an edge, and the place of their middle. */
export interface EdgeLabel {
  readonly edge: GraphEdge
  readonly text: string
  readonly x: number
  readonly y: number
}

/** Where the words of edges stand: on their lines, and none upon another. One that finds no place is left out. */
export function labelsOf(graph: Graph, textOf: (edge: GraphEdge) => string): readonly EdgeLabel[] {
  const placed: EdgeLabel[] = []
  for (const edge of graph.edges) {
    const text = textOf(edge)
    if (text === '') continue
    const tried = LABEL_AT.map(along => ({ edge, text, ...pointOf(edge, graph, along) }))
    const free = tried.find(label => placed.every(other => !isUpon(label, other)))
    if (free !== undefined) placed.push(free)
  }
  return placed
}

/** Pixels. */
const LETTER = 7
const LINE = 16

function isUpon(one: EdgeLabel, other: EdgeLabel): boolean {
  const room = ((one.text.length + other.text.length) * LETTER) / 2
  return Math.abs(one.y - other.y) < LINE && Math.abs(one.x - other.x) < room
}

/** A place on the line of an edge. @param t how far along, of 1 */
function pointOf(
  { from, to }: GraphEdge,
  { nodeWidth, nodeHeight }: Graph,
  t: number,
): { x: number; y: number } {
  const s = 1 - t
  const [x1, x2] = [from.x + nodeWidth, to.x]
  const middle = (x1 + x2) / 2
  // The curve of `pathOf`, whose two bends are both half-way across.
  const x = s ** 3 * x1 + 3 * s * s * t * middle + 3 * s * t * t * middle + t ** 3 * x2
  const y = from.y + (s * t * t * 3 + t ** 3) * (to.y - from.y) + nodeHeight / 2
  return { x, y }
}

/** How far along a line words are tried, of 1. */
const LABEL_AT = [0.62, 0.5, 0.38, 0.72, 0.28] as const

type Half = Omit<GraphNode, 'x' | 'y'>

function sideOf(side: Side, rules: readonly PolicyRule[]): Half[] {
  const counts = new Map<Pattern, number>()
  for (const rule of rules) counts.set(rule[side], (counts.get(rule[side]) ?? 0) + 1)
  const patterns = [...counts.keys()].sort()
  return folded(patterns, MOST).map(({ key, members }) => ({
    id: `${side} ${key}`,
    side,
    kind: kindOf(members),
    label: key,
    members,
    rules: members.reduce((sum, member) => sum + (counts.get(member) ?? 0), 0),
  }))
}

function kindOf([only, ...more]: readonly Pattern[]): NodeKind {
  if (only === undefined || more.length > 0) return 'several'
  if (only === EVERYONE) return 'everyone'
  if (isGroup(only)) return 'group'
  return only.includes('/*@') ? 'instances' : 'principal'
}

interface Pair {
  readonly from: string
  readonly to: string
  readonly rules: PolicyRule[]
}

function pairsOf(
  rules: readonly PolicyRule[],
  clients: readonly Half[],
  services: readonly Half[],
): ReadonlyMap<string, Pair> {
  const idsOf = (folds: readonly Half[]) =>
    new Map(folds.flatMap(({ id, members }) => members.map(member => [member, id] as const)))
  const [from, to] = [idsOf(clients), idsOf(services)]
  const pairs = new Map<string, Pair>()
  for (const rule of rules) {
    const ends = { from: from.get(rule.client) ?? '', to: to.get(rule.service) ?? '' }
    const id = `${ends.from} ${ends.to}`
    const pair = pairs.get(id)
    if (pair === undefined) pairs.set(id, { ...ends, rules: [rule] })
    else pair.rules.push(rule)
  }
  return pairs
}

/** Each side in the order of the middles of what it is joined with, in turn, so that few lines cross. */
function ordered(
  clients: readonly Half[],
  services: readonly Half[],
  pairs: readonly Pair[],
): readonly [readonly Half[], readonly Half[]] {
  let [left, right] = [clients, services]
  for (let round = 0; round < ROUNDS; round++) {
    right = byMiddle(right, left, pairs, pair => [pair.to, pair.from])
    left = byMiddle(left, right, pairs, pair => [pair.from, pair.to])
  }
  return [left, right]
}

function byMiddle(
  folds: readonly Half[],
  others: readonly Half[],
  pairs: readonly Pair[],
  ends: (pair: Pair) => readonly [own: string, other: string],
): readonly Half[] {
  const places = new Map(others.map(({ id }, i) => [id, i / others.length]))
  const sums = new Map<string, { sum: number; count: number }>()
  for (const pair of pairs) {
    const [own, other] = ends(pair)
    const { sum, count } = sums.get(own) ?? { sum: 0, count: 0 }
    sums.set(own, { sum: sum + (places.get(other) ?? 0), count: count + 1 })
  }
  const middle = ({ id }: Half): number => {
    const { sum, count } = sums.get(id) ?? { sum: 0, count: 1 }
    return sum / count
  }
  return folds.toSorted((one, other) => middle(one) - middle(other) || (one.id < other.id ? -1 : 1))
}

function stateOf(rules: readonly PolicyRule[], now: number): EdgeState {
  const live = rules.filter(rule => !isOver(rule, now))
  if (live.length === 0) return 'ended'
  const denied = live.filter(({ effect }) => effect === 'deny').length
  if (denied === 0) return 'allow'
  return denied === live.length ? 'deny' : 'both'
}
