import { describe, expect, it } from 'vitest'
import {
  activityOf,
  type ClusterOptions,
  clusterOf,
  mapEdges,
  totalOf,
} from '../../../console/map/clusters.js'
import { boxOf, Layout, type Places } from '../../../console/map/layout.js'
import type { Edge } from '../../../console/map/traffic.js'

const none: ClusterOptions = { most: 60, groupsOf: () => [], opened: new Set(), kept: new Set() }

function edge(client: string, service: string, granted = 1, denied = 0): Edge {
  return { client, service, granted, denied, at: granted, from: '', denial: undefined }
}

const active = (names: readonly string[]) => new Map(names.map((name, i) => [name, i + 1]))
const names = (count: number, name: (i: number) => string) => Array.from({ length: count }, (_, i) => name(i))

describe('clusters', () => {
  it('draw each principal by itself where they are few', () => {
    const { nodes } = clusterOf(active(['web/1@r', 'web/2@r', 'orders@r']), none)
    expect(nodes.map(({ id }) => id)).toEqual(['orders@r', 'web/1@r', 'web/2@r'])
  })

  it('join instances of a name, then groups, then the quietest', () => {
    const instances = names(50, i => `web/${i}@r`)
    const members = names(50, i => `m${i}@r`)
    const others = names(70, i => `p${i}@r`)
    const groupsOf = (name: string) => (name.startsWith('m') ? ['@backend', '@small'] : [])
    const { nodes, nodeOf } = clusterOf(active([...instances, ...members, ...others]), { ...none, groupsOf })
    expect(nodes).toHaveLength(60)
    expect(nodeOf.get('web/7@r')).toMatchObject({ kind: 'prefix', name: 'web/*@r' })
    expect(nodeOf.get('m3@r')).toMatchObject({ kind: 'group', name: '@backend' })
    // The busiest stay by themselves.
    expect(nodeOf.get('p69@r')).toMatchObject({ kind: 'principal' })
    expect(nodeOf.get('p0@r')).toMatchObject({ kind: 'others' })
    expect(nodes.flatMap(node => node.members)).toHaveLength(170)
  })

  it('do not join what already fits', () => {
    const all = [...names(59, i => `web/${i}@r`), 'orders@r']
    expect(clusterOf(active(all), none).nodes.every(({ kind }) => kind === 'principal')).toBe(true)
    const { nodes } = clusterOf(active([...all, 'db@r']), none)
    expect(nodes.map(({ kind }) => kind).sort()).toEqual(['prefix', 'principal', 'principal'])
  })

  it('draw the members of what was opened, and no more than fit', () => {
    const all = names(200, i => `web/${i}@r`)
    const opened = new Set(['prefix web/*@r'])
    const { nodes } = clusterOf(active([...all, 'orders@r']), { ...none, opened })
    expect(nodes).toHaveLength(62)
    expect(nodes.find(({ id }) => id === 'rest of prefix web/*@r')?.members).toHaveLength(140)
  })

  it('let a node stay while no other is twice as busy', () => {
    const all = new Map(names(100, i => `p${i}@r`).map(name => [name, 10]))
    const first = clusterOf(all, none)
    const kept = new Set(first.nodes.map(({ id }) => id))
    all.set('p99@r', 15)
    const second = clusterOf(all, { ...none, kept })
    expect(second.nodes.map(({ id }) => id)).toEqual(first.nodes.map(({ id }) => id))
    all.set('p99@r', 25)
    expect(clusterOf(all, { ...none, kept }).nodeOf.get('p99@r')?.kind).toBe('principal')
  })

  it('join the lines of their members', () => {
    const edges = [edge('web/1@r', 'db@r', 2), edge('web/2@r', 'db@r', 5, 1), edge('web/1@r', 'web/2@r')]
    const clustering = clusterOf(activityOf(edges), { ...none, most: 2 })
    const lines = mapEdges(edges, clustering.nodeOf)
    expect(lines.map(({ id }) => id).sort()).toEqual([
      'prefix web/*@r > db@r',
      'prefix web/*@r > prefix web/*@r',
    ])
    expect(totalOf(lines.find(({ to }) => to === 'db@r')?.pairs ?? [])).toEqual({
      granted: 7,
      denied: 1,
      at: 5,
    })
  })

  it('take 10,000 principals in little time', () => {
    const edges = names(20_000, i => `web/${i % 10_000}@r`).map((client, i) => edge(client, `s${i % 300}@r`))
    const begin = process.cpuUsage()
    const clustering = clusterOf(activityOf(edges), none)
    mapEdges(edges, clustering.nodeOf)
    const { user } = process.cpuUsage(begin)
    expect(clustering.nodes).toHaveLength(60)
    expect(user / 1000).toBeLessThan(1_000)
  })
})

describe('the layout', () => {
  const few = names(12, i => `p${i}@r`)
  const lines = few.slice(1).map(from => ({ from, to: 'p0@r' }))
  const nodesOf = (all: readonly string[]) => clusterOf(active(all), none).nodes

  function laidOut(all: readonly string[], before: Places = new Map(), edges = lines): Places {
    const layout = new Layout({ nodes: nodesOf(all), edges, before, aspect: 1.5 })
    let places: Places = layout.step(0)
    for (let steps = 0; !layout.isDone; steps++) {
      expect(steps).toBeLessThan(100)
      places = layout.step(7)
    }
    return places
  }

  it('is the same for the same nodes and lines, however it is cut up', () => {
    const whole = new Layout({ nodes: nodesOf(few), edges: lines, before: new Map(), aspect: 1.5 })
    expect(laidOut(few)).toEqual(whole.step(10_000))
  })

  it('puts no two nodes over each other', () => {
    const points = [...laidOut(few).values()]
    for (const [i, a] of points.entries())
      for (const b of points.slice(i + 1)) expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThan(60)
  })

  it('leaves nodes about where they were when one appears', () => {
    const before = laidOut(few)
    const after = laidOut([...few, 'new@r'], before, [...lines, { from: 'new@r', to: 'p3@r' }])
    for (const [id, { x, y }] of before) {
      const now = after.get(id)
      expect(Math.hypot((now?.x ?? 0) - x, (now?.y ?? 0) - y)).toBeLessThan(40)
    }
    const [there, beside] = [after.get('new@r'), after.get('p3@r')]
    expect(Math.hypot((there?.x ?? 0) - (beside?.x ?? 0), (there?.y ?? 0) - (beside?.y ?? 0))).toBeLessThan(
      250,
    )
  })

  it('does nothing where all nodes have their places', () => {
    const before = laidOut(few)
    const layout = new Layout({ nodes: nodesOf(few), edges: lines, before, aspect: 1.5 })
    expect(layout.isDone).toBe(true)
    expect(layout.step(10)).toEqual(before)
  })

  it('fits into a box with room for names', () => {
    const box = boxOf(laidOut(few), { width: 300, height: 200 })
    for (const { x, y } of laidOut(few).values()) {
      expect(x).toBeGreaterThan(box.x + 40)
      expect(x).toBeLessThan(box.x + box.width - 40)
      expect(y).toBeGreaterThan(box.y + 30)
      expect(y).toBeLessThan(box.y + box.height - 30)
    }
    expect(boxOf(new Map(), { width: 300, height: 200 })).toEqual({
      x: -150,
      y: -100,
      width: 300,
      height: 200,
    })
  })
})
