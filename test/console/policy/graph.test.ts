import { describe, expect, it } from 'vitest'
import { folded } from '../../../console/policy/fold.js'
import { graphOf, labelsOf, pathOf } from '../../../console/policy/graph.js'
import { ALL_RULES, rulesShown } from '../../../console/policy/rule-filter.js'
import { EVERYONE, parseGroup } from '../../../shared/pattern.js'
import { pattern, ruleOf } from '../../support/realm.js'

const BACKEND = parseGroup('backend')
const NOW = 1_000

describe('the graph of policy', () => {
  const rules = [
    ruleOf('web/*', 'orders', { claims: [['role', 'reader']] }),
    ruleOf(BACKEND, 'billing'),
    ruleOf('*', 'search'),
    ruleOf('web/*', 'billing', { effect: 'deny' }),
    ruleOf('cron', 'orders', { until: NOW }),
  ]

  it('has clients on the left, services on the right, and each kind of pattern as one of its own', () => {
    const { nodes, edges } = graphOf(rules, 800, NOW)
    expect(
      nodes
        .filter(({ side }) => side === 'client')
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(['everyone', 'group', 'instances', 'principal'])
    expect(new Set(nodes.filter(({ side }) => side === 'client').map(({ x }) => x)).size).toBe(1)
    expect(edges.map(({ state }) => state).sort()).toEqual(['allow', 'allow', 'allow', 'deny', 'ended'])
  })

  it('puts no node onto another, and all of them into the picture, however narrow', () => {
    for (const width of [280, 375, 1_280]) {
      const graph = graphOf(rules, width, NOW)
      for (const node of graph.nodes) {
        expect(node.x + graph.nodeWidth).toBeLessThanOrEqual(width)
        expect(node.y + graph.nodeHeight).toBeLessThanOrEqual(graph.height)
        const others = graph.nodes.filter(other => other !== node && other.x === node.x)
        expect(others.every(other => Math.abs(other.y - node.y) >= graph.nodeHeight)).toBe(true)
      }
      expect(graph.edges.every(edge => !pathOf(edge, graph).includes('NaN'))).toBe(true)
    }
  })

  it('writes words on lines, and none upon others', () => {
    const graph = graphOf(rules, 1_000, NOW)
    const labels = labelsOf(graph, ({ state }) => (state === 'ended' ? '' : 'role=reader'))
    expect(labels).toHaveLength(4)
    for (const { x, y, edge } of labels) {
      expect(x > edge.from.x + graph.nodeWidth && x < edge.to.x && y > 0 && y < graph.height).toBe(true)
      expect(labels.filter(other => Math.abs(other.y - y) < 16 && Math.abs(other.x - x) < 77)).toHaveLength(1)
    }
    const many = graphOf(
      Array.from({ length: 20 }, (_, i) => ruleOf(`w${i}`, 'one')),
      400,
      NOW,
    )
    expect(labelsOf(many, () => 'x'.repeat(100)).length).toBeLessThan(20)
  })

  it('is the same for the same rules in any order, and lets few lines cross', () => {
    const pairs = ['a', 'b', 'c', 'd'].map(name => ruleOf(name, `to-${name}`))
    const graph = graphOf(pairs, 800, NOW)
    expect(graphOf([...pairs].reverse(), 800, NOW).nodes).toEqual(graph.nodes)
    expect(graph.edges.every(({ from, to }) => from.y === to.y)).toBe(true)
  })

  it('folds five thousand rules to a picture that can be seen, without losing one', () => {
    const many = Array.from({ length: 5_000 }, (_, i) =>
      ruleOf(`web-${i % 500}`, i % 2 === 0 ? `db/${i}` : `svc${i}`),
    )
    const start = process.cpuUsage().user
    const { nodes, edges } = graphOf([...many, ruleOf('*', BACKEND)], 1_000, NOW)
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(1_000)
    expect(nodes.length).toBeLessThanOrEqual(62)
    expect(edges.reduce((sum, edge) => sum + edge.rules.length, 0)).toBe(5_001)
    expect(
      nodes
        .filter(({ kind }) => kind !== 'several')
        .map(({ label }) => label)
        .sort(),
    ).toEqual(['*', '@backend'])
  })

  it('says of two rules on one line what they are together', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      ruleOf(`web-${i}`, 'orders', i === 0 ? { effect: 'deny' } : {}),
    )
    expect(graphOf(many, 800, NOW).edges.map(({ state }) => state)).toEqual(['both'])
  })
})

describe('folding names', () => {
  it('leaves a few as they are', () => {
    const few = ['web/1', 'web/2', 'orders'].map(pattern)
    expect(folded(few, 3).map(({ key }) => key)).toEqual(few)
  })

  it('shortens by what names have in common, as little as is enough', () => {
    const names = (texts: string[], most: number) => folded(texts.map(pattern), most).map(({ key }) => key)
    expect(names(['web/1', 'web/2', 'orders'], 2)).toEqual(['web/…', 'orders@demo.example'])
    expect(names(['job1', 'job22', 'job-3', 'orders'], 2)).toEqual(['job…', 'orders@demo.example'])
    expect(names(['ab', 'ac', 'b'], 2)).toEqual(['a…', 'b@demo.example'])
  })

  it('keeps groups and patterns, which stand for many already', () => {
    const keys = folded([EVERYONE, BACKEND, pattern('web/*'), pattern('a1'), pattern('a2')], 4).map(
      ({ key }) => key,
    )
    expect(keys).toEqual(['*', '@backend', 'web/*@demo.example', 'a…'])
  })
})

describe('the filter of rules', () => {
  const rules = [
    ruleOf('web', 'orders'),
    ruleOf('orders', 'stock', { effect: 'deny' }),
    ruleOf('cron', 'web', { until: NOW }),
  ]

  it('finds by either side, by effect, by what has ended, and by a node that was chosen', () => {
    const shown = (change: Partial<typeof ALL_RULES>) =>
      rulesShown(rules, { ...ALL_RULES, ...change }, NOW).map(rule => rules.indexOf(rule))
    expect(shown({})).toEqual([0, 1, 2])
    expect(shown({ text: 'WEB' })).toEqual([0, 2])
    expect(shown({ effect: 'deny' })).toEqual([1])
    expect(shown({ effect: 'ended' })).toEqual([2])
    expect(shown({ chosen: { side: 'service', members: [pattern('web')], label: 'web' } })).toEqual([2])
  })
})
