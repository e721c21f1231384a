import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NO_GROUPS_OF_PAIR } from '../../../kdc/realm/directory.js'
import { decide, type ServiceFacts } from '../../../shared/administration/policy-decision.js'
import type { PolicyRule } from '../../../shared/administration/rule.js'
import { decodeCaveat } from '../../../shared/ticket/caveats.js'
import { local, pattern, ruleOf } from '../../support/realm.js'

const HERE: ServiceFacts = { passwordBased: false, hasKey: true, disabled: false, expiresAt: null }
const NOW = 1_000

function outcome(
  rules: readonly PolicyRule[],
  client: string,
  service: string,
  facts: ServiceFacts | undefined = HERE,
): string {
  const decision = decide(rules, {
    client: local(client),
    service: local(service),
    groups: NO_GROUPS_OF_PAIR,
    facts,
    now: NOW,
  })
  return decision.allowed ? `allowed ${JSON.stringify(decision.terms.claims)}` : decision.code
}

/** A rule whose claims say which rule it is. */
function rule(client: string, service: string): PolicyRule {
  return ruleOf(client, service, { claims: [['rule', `${client}>${service}`]] })
}

function deny(client: string, service: string): PolicyRule {
  return { ...ruleOf(client, service), effect: 'deny' }
}

function shown({ client, service }: PolicyRule): string {
  return [client, service].map(name => name.replace('@demo.example', '')).join(' ')
}

function said(client: string, service: string): string {
  return `allowed [["rule","${client}>${service}"]]`
}

describe('policy', () => {
  it.each([
    ['nobody', [], 'web', 'orders', 'policy_denied'],
    ['the pair itself', [rule('web', 'orders')], 'web', 'orders', said('web', 'orders')],
    ['not another client', [rule('web', 'orders')], 'web2', 'orders', 'policy_denied'],
    ['not another service', [rule('web', 'orders')], 'web', 'orders2', 'policy_denied'],
    ['not the other way round', [rule('web', 'orders')], 'orders', 'web', 'policy_denied'],
    ['instances by their name', [rule('web/*', 'orders')], 'web/1', 'orders', said('web/*', 'orders')],
    ['the name itself is no instance', [rule('web/*', 'orders')], 'web', 'orders', 'policy_denied'],
    ['a longer name is no instance', [rule('web/*', 'orders')], 'web2/1', 'orders', 'policy_denied'],
    ['everyone', [rule('*', '*')], 'web/1', 'orders', said('*', '*')],
    [
      'a service of another realm is none of everyone',
      [rule('web', '*')],
      'web',
      'orders@other.example',
      said('web', '*'),
    ],
    [
      'the client decides first',
      [rule('*', 'orders'), rule('web/1', '*')],
      'web/1',
      'orders',
      said('web/1', '*'),
    ],
    ['then the service', [rule('web', '*'), rule('web', 'orders')], 'web', 'orders', said('web', 'orders')],
    [
      'instances before everyone',
      [rule('*', 'orders'), rule('web/*', '*')],
      'web/1',
      'orders',
      said('web/*', '*'),
    ],
    [
      'the pair before all others',
      [rule('*', '*'), rule('web/*', 'orders/*'), rule('web/1', 'orders/*'), rule('web/1', 'orders/2')],
      'web/1',
      'orders/2',
      said('web/1', 'orders/2'),
    ],
  ])('%s', (_, rules, client, service, expected) => {
    expect(outcome(rules, client, service)).toBe(expected)
    expect(outcome([...rules].reverse(), client, service)).toBe(expected)
  })

  it.each(
    ['web', 'web/*', '*'].flatMap(client => ['orders', 'orders/*', '*'].map(service => [client, service])),
  )('a denial of %s %s wins over the most specific rule, if it matches', (client = '', service = '') => {
    const deny: PolicyRule = { ...ruleOf(client, service), effect: 'deny' }
    const matches = client !== 'web/*' && service !== 'orders/*'
    expect(outcome([rule('web', 'orders'), deny], 'web', 'orders')).toBe(
      matches ? 'policy_denied' : said('web', 'orders'),
    )
  })

  it.each([
    ['there is none', undefined, 'unknown_service', 'policy_denied'],
    ['its key comes from a password', { ...HERE, passwordBased: true }, 'policy_denied', 'policy_denied'],
    ['it is disabled', { ...HERE, disabled: true }, 'unknown_service', 'policy_denied'],
    ['it expired now', { ...HERE, expiresAt: NOW }, 'unknown_service', 'policy_denied'],
    ['it expires next', { ...HERE, expiresAt: NOW + 1 }, 'allowed []', 'policy_denied'],
  ])('a service when %s is reported only to a client that a rule allows', (_, facts, withRule, without) => {
    const question = {
      client: local('web'),
      service: local('orders'),
      groups: NO_GROUPS_OF_PAIR,
      facts,
      now: NOW,
    }
    const told = (rules: PolicyRule[]): string => {
      const decision = decide(rules, question)
      return decision.allowed ? `allowed ${JSON.stringify(decision.terms.claims)}` : decision.code
    }
    expect(told([ruleOf('web', 'orders')])).toBe(withRule)
    expect(told([])).toBe(without)
  })

  it.each([
    ['none that matches', [ruleOf('web', 'stock')], undefined],
    ['the most specific that allows', [ruleOf('*', 'orders'), ruleOf('web', '*')], 'web *'],
    [
      'the most specific that denies, before a more specific one that allows',
      [ruleOf('web', 'orders'), deny('*', '*'), deny('web', '*')],
      'web *',
    ],
  ])('names the rule that decided: %s', (_, rules, expected) => {
    for (const [given, facts] of [rules, [...rules].reverse()].flatMap(list => [
      [list, HERE] as const,
      [list, { ...HERE, disabled: true }] as const,
    ])) {
      const { rule } = decide(given, {
        client: local('web'),
        service: local('orders'),
        groups: NO_GROUPS_OF_PAIR,
        facts,
        now: NOW,
      })
      expect(rule === null ? undefined : rule).toBe(rules.find(one => shown(one) === expected))
    }
  })

  it('nobody gets a ticket for krbtgt by name, whatever the rules say', () => {
    const rules = [ruleOf('*', '*'), ruleOf('web', 'krbtgt'), ruleOf('*', 'krbtgt')]
    expect(outcome(rules, 'web', 'krbtgt')).toBe('policy_denied')
  })

  it('everybody gets a bare ticket for kdc, and claims only from a rule that names it', () => {
    const asked = {
      client: local('web'),
      service: local('kdc'),
      groups: NO_GROUPS_OF_PAIR,
      facts: HERE,
      now: NOW,
    }
    const bare = { claims: [], maxLife: null, caveats: [], delegable: false, until: null, rate: null }
    expect(decide([], asked)).toEqual({ allowed: true, rule: null, terms: bare })
    expect(outcome([rule('*', '*'), rule('web', '*')], 'web', 'kdc')).toBe('allowed []')
    expect(outcome([rule('*', 'kdc')], 'web', 'kdc')).toBe(said('*', 'kdc'))
    expect(outcome([{ ...ruleOf('*', '*'), effect: 'deny' }], 'web', 'kdc')).toBe('allowed []')
    expect(outcome([{ ...ruleOf('*', 'kdc'), effect: 'deny' }], 'web', 'kdc')).toBe('policy_denied')
    expect(outcome([], 'web', 'kdc@other.example')).toBe('policy_denied')
    expect(outcome([], 'web', 'kdc/1')).toBe('policy_denied')
  })

  it('makes caveats of what a rule restricts, and copies the rest', () => {
    const restricted = ruleOf('web', 'orders', {
      methods: ['GET'],
      paths: ['/a'],
      maxLife: 5,
      delegable: true,
    })
    const decision = decide([restricted], {
      client: local('web'),
      service: local('orders'),
      groups: NO_GROUPS_OF_PAIR,
      facts: HERE,
      now: NOW,
    })
    if (!decision.allowed) throw new Error(decision.reason)
    expect(decision.terms).toMatchObject({ maxLife: 5, delegable: true, claims: [] })
    expect(decision.terms.caveats.map(decodeCaveat)).toEqual([
      { name: 'methods', methods: ['GET'] },
      { name: 'paths', prefixes: ['/a'] },
    ])
  })

  it('never applies a rule for others, and another denial never allows more', () => {
    const names = fc.constantFrom('web', 'web/1', 'web/2', 'orders', 'orders/1')
    const patterns = fc.constantFrom('web', 'web/1', 'web/*', 'orders', 'orders/*', '*')
    const effect = fc.constantFrom<'allow' | 'deny'>('allow', 'deny')
    const rules = fc.array(
      fc.tuple(patterns, patterns, effect).map(([a, b, effect]) => ({ ...rule(a, b), effect })),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(rules, names, names, patterns, (some, client, service, denied) => {
        const before = outcome(some, client, service)
        const more = [...some, { ...ruleOf(denied, '*'), effect: 'deny' as const }]
        const after = outcome(more, client, service)
        expect([before, 'policy_denied']).toContain(after)
        if (before.startsWith('allowed')) {
          expect(some.some(({ client: p }) => p === '*' || p === pattern(client) || p.includes('/*'))).toBe(
            true,
          )
        }
      }),
    )
  })
})
