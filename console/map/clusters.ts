import type { Denial } from './asks.js'
import type { Edge } from './traffic.js'

/** Above how many nodes some are drawn as one. */
export const NODES_MAX = 60

/** What is drawn as one node. */
export type NodeId = string

export interface MapNode {
  readonly id: NodeId
  readonly kind: 'principal' | 'prefix' | 'group' | 'others'
  /** The name of the principal, `web/*@realm`, the name of the group, or empty for the others. */
  readonly name: string
  /** The principals that it stands for, in the order of their names. */
  readonly members: readonly string[]
}

/** One line on the map: all pairs between the members of two nodes. */
export interface MapEdge {
  readonly id: string
  readonly from: NodeId
  readonly to: NodeId
  readonly pairs: readonly Edge[]
}

export interface Clustering {
  readonly nodes: readonly MapNode[]
  /** The node of each principal. */
  readonly nodeOf: ReadonlyMap<string, MapNode>
}

export interface ClusterOptions {
  /** Above how many nodes some are drawn as one. */
  readonly most: number
  /** Groups of a principal, in the order of their names. */
  readonly groupsOf: (principal: string) => readonly string[]
  /** Ids of nodes whose members are drawn each by itself. */
  readonly opened: ReadonlySet<NodeId>
  /** Ids of principals that were drawn by themselves before: they stay so while there is room. */
  readonly kept: ReadonlySet<NodeId>
}

const OTHERS: NodeId = 'others'

/**
 * Draws principals as few enough nodes: first the instances of a name as one, then the members of a group, then the
 * quietest as the others. What somebody opened is drawn whole, up to as many nodes again.
 * @param activity of each principal: whoever has more stays by itself for longer
 */
export function clusterOf(
  activity: ReadonlyMap<string, number>,
  { most, groupsOf, opened, kept }: ClusterOptions,
): Clustering {
  let nodes = [...activity.keys()].sort().map(principal)
  if (nodes.length > most) nodes = merged(nodes, { most, opened }, prefixOf)
  if (closed(nodes, opened) > most) nodes = merged(nodes, { most, opened }, byLargestGroup(nodes, groupsOf))
  if (closed(nodes, opened) > most) nodes = withOthers(nodes, { most, opened, kept, activity })
  nodes = nodes.flatMap(node => (opened.has(node.id) ? shownMembers(node, most, activity) : [node]))
  const nodeOf = new Map(nodes.flatMap(node => node.members.map(member => [member, node] as const)))
  return { nodes, nodeOf }
}

function principal(name: string): MapNode {
  return { id: name, kind: 'principal', name, members: [name] }
}

/** What is opened makes no room for more, and takes none. */
function closed(nodes: readonly MapNode[], opened: ReadonlySet<NodeId>): number {
  return nodes.filter(({ id }) => !opened.has(id)).length
}

interface Cluster {
  readonly kind: 'prefix' | 'group'
  readonly name: string
}

/** Replaces principals that are of one cluster by one node: the largest clusters first, as long as there are too many nodes. */
function merged(
  nodes: readonly MapNode[],
  { most, opened }: Pick<ClusterOptions, 'most' | 'opened'>,
  clusterFor: (name: string) => Cluster | undefined,
): MapNode[] {
  const clusters = new Map<string, { readonly cluster: Cluster; readonly members: string[] }>()
  for (const { kind, name } of nodes) {
    const cluster = kind === 'principal' ? clusterFor(name) : undefined
    if (cluster === undefined) continue
    const found = clusters.get(cluster.name)
    if (found === undefined) clusters.set(cluster.name, { cluster, members: [name] })
    else found.members.push(name)
  }
  const ranked = [...clusters.values()]
    .filter(({ members }) => members.length > 1)
    .sort((a, b) => b.members.length - a.members.length || compareText(a.cluster.name, b.cluster.name))
  const joined: MapNode[] = []
  const gone = new Set<string>()
  let left = closed(nodes, opened)
  for (const { cluster, members } of ranked) {
    const { kind, name } = cluster
    const id = `${kind} ${name}`
    // What is opened stays a cluster of its own, whose members take no room.
    if (left <= most && !opened.has(id)) continue
    for (const member of members) gone.add(member)
    joined.push({ id, kind, name, members })
    left -= opened.has(id) ? members.length : members.length - 1
  }
  const single = nodes.filter(({ id }) => !gone.has(id))
  return [...single, ...joined].sort((a, b) => compareText(a.id, b.id))
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** `web/1@realm` is one of `web/*@realm`. */
function prefixOf(name: string): Cluster | undefined {
  const slash = name.indexOf('/')
  const at = name.indexOf('@', slash)
  if (slash === -1 || at === -1) return undefined
  return { kind: 'prefix', name: `${name.slice(0, slash)}/*${name.slice(at)}` }
}

/** A principal of several groups is drawn with the one that has the most nodes here. */
function byLargestGroup(
  nodes: readonly MapNode[],
  groupsOf: (principal: string) => readonly string[],
): (name: string) => Cluster | undefined {
  const sizes = new Map<string, number>()
  for (const { kind, name } of nodes)
    if (kind === 'principal')
      for (const group of groupsOf(name)) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  return name => {
    let largest: string | undefined
    for (const group of groupsOf(name))
      if (largest === undefined || (sizes.get(group) ?? 0) > (sizes.get(largest) ?? 0)) largest = group
    return largest === undefined ? undefined : { kind: 'group', name: largest }
  }
}

interface Choice {
  readonly most: number
  readonly opened: ReadonlySet<NodeId>
  readonly kept: ReadonlySet<NodeId>
  readonly activity: ReadonlyMap<string, number>
}

/** The busiest nodes, those first that were drawn before, and one for all others. */
function withOthers(nodes: readonly MapNode[], { most, opened, kept, activity }: Choice): MapNode[] {
  const sum = (node: MapNode): number =>
    node.members.reduce((total, member) => total + (activity.get(member) ?? 0), 0)
  const ranked = nodes
    .map(node => ({ node, rank: sum(node) * (kept.has(node.id) ? STAYING : 1) }))
    .sort((a, b) => b.rank - a.rank || compareText(a.node.id, b.node.id))
  const shown = ranked.filter(({ node }, i) => i < most - 1 || opened.has(node.id)).map(({ node }) => node)
  const rest = nodes.filter(node => !shown.includes(node)).flatMap(({ members }) => members)
  const others: MapNode = { id: OTHERS, kind: 'others', name: '', members: rest.sort() }
  return [...shown.sort((a, b) => compareText(a.id, b.id)), others]
}

/** How much busier another one must be to take a node's place, so that nodes do not change places all the time. */
const STAYING = 2

/** The members of an opened node, the busiest if they are too many; the rest stays one node. */
function shownMembers(node: MapNode, most: number, activity: ReadonlyMap<string, number>): MapNode[] {
  if (node.kind === 'principal' || node.members.length <= most) return node.members.map(principal)
  const ranked = node.members.toSorted(
    (a, b) => (activity.get(b) ?? 0) - (activity.get(a) ?? 0) || compareText(a, b),
  )
  const shown = new Set(ranked.slice(0, most))
  const rest = node.members.filter(member => !shown.has(member))
  return [
    ...node.members.filter(member => shown.has(member)).map(principal),
    { ...node, id: `rest of ${node.id}`, members: rest },
  ]
}

/** How much each principal asks and is asked. */
export function activityOf(edges: readonly Edge[]): Map<string, number> {
  const activity = new Map<string, number>()
  for (const { client, service, granted, denied } of edges)
    for (const name of [client, service]) activity.set(name, (activity.get(name) ?? 0) + granted + denied)
  return activity
}

/** The pairs as lines between nodes. What a node has with itself is a line too. */
export function mapEdges(edges: readonly Edge[], nodeOf: ReadonlyMap<string, MapNode>): MapEdge[] {
  const found = new Map<string, { from: NodeId; to: NodeId; pairs: Edge[] }>()
  for (const edge of edges) {
    const from = nodeOf.get(edge.client)?.id
    const to = nodeOf.get(edge.service)?.id
    if (from === undefined || to === undefined) continue
    const id = `${from} > ${to}`
    const there = found.get(id)
    if (there === undefined) found.set(id, { from, to, pairs: [edge] })
    else there.pairs.push(edge)
  }
  return [...found].map(([id, line]) => ({ id, ...line }))
}

/** What the pairs of a line ask together. */
export function totalOf(pairs: readonly Edge[]): Pick<Edge, 'granted' | 'denied' | 'at'> {
  const total = { granted: 0, denied: 0, at: 0 }
  for (const { granted, denied, at } of pairs) {
    total.granted += granted
    total.denied += denied
    total.at = Math.max(total.at, at)
  }
  return total
}

/** The last denial among pairs. */
export function lastDenial(pairs: readonly Edge[]): Denial | undefined {
  let last: Denial | undefined
  for (const { denial } of pairs) if (denial !== undefined && denial.at >= (last?.at ?? 0)) last = denial
  return last
}
