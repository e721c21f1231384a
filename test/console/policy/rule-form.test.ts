import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  changing,
  forgetting,
  type PolicyFacts,
  warningsOf,
} from '../../../console/policy/rule-consequences.js'
import { formOf, NEW_RULE, type RuleForm, ruleIn } from '../../../console/policy/rule-form.js'
import type { PolicyRule } from '../../../shared/administration/rule.js'
import { parseGroup } from '../../../shared/pattern.js'
import { DAY, HOUR } from '../../../shared/time.js'
import { pattern, REALM, ruleOf } from '../../support/realm.js'
import { summaryOf } from '../summary.js'

const NOW = Date.UTC(2026, 0, 1)
const BACKEND = parseGroup('backend')

describe('the form of a rule', () => {
  it('gives the rule back that it was made from', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.nat(),
      fc.boolean(),
      fc.array(fc.string(), { maxLength: 3 }),
    )
    const claims = fc.uniqueArray(
      fc.tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), value),
      { selector: ([name]) => name, maxLength: 3 },
    )
    const terms = fc.record({
      claims,
      maxLife: fc.option(fc.integer({ min: 1, max: 1e9 })),
      methods: fc.option(fc.constantFrom(['GET'], ['GET', 'HEAD'])),
      paths: fc.option(fc.constantFrom(['/a'], ['/a', '/b,c'])),
      delegable: fc.boolean(),
      until: fc.option(fc.integer({ min: NOW, max: NOW + 1e11 })),
      rate: fc.option(
        fc.record({ points: fc.integer({ min: 1, max: 1e6 }), interval: fc.integer({ min: 1, max: 1e7 }) }),
      ),
    })
    fc.assert(
      fc.property(terms, ({ claims, ...rest }) => {
        const once = ruleIn(REALM, formOf(REALM, ruleOf('web/*', BACKEND, { ...rest, claims })), NOW)
        // A claim name that is blank at its ends is not what a line keeps; the KDC's own order is that of the names.
        if ('problems' in once) return Object.keys(once.problems).join() === 'claims'
        const twice = ruleIn(REALM, formOf(REALM, once.rule), NOW)
        expect(twice).toEqual(once)
        expect(new Map(once.rule.claims)).toEqual(new Map(claims))
        expect(once.rule).toEqual({ ...ruleOf('web/*', BACKEND, rest), claims: once.rule.claims })
        return true
      }),
    )
  })

  it('says of each field what is wrong with it', () => {
    const form: RuleForm = {
      ...NEW_RULE,
      client: 'No Name',
      maxLife: '1 hour',
      methods: 'get',
      rate: 'x',
      until: '2026-02-31',
    }
    const read = ruleIn(REALM, form, NOW)
    expect('problems' in read && Object.keys(read.problems).sort()).toEqual([
      'client',
      'maxLife',
      'methods',
      'rate',
      'service',
      'until',
    ])
  })

  it('counts an end from now on, and gives a denial no terms', () => {
    const read = (change: Partial<RuleForm>) =>
      ruleIn(REALM, { ...NEW_RULE, client: 'web', service: 'orders', ...change }, NOW)
    expect(read({ until: '7d' })).toEqual({ rule: ruleOf('web', 'orders', { until: NOW + 7 * DAY }) })
    expect(read({ effect: 'deny', claims: 'role=reader', delegable: true })).toEqual({
      rule: ruleOf('web', 'orders', { effect: 'deny' }),
    })
  })
})

describe('what a change of a rule does', () => {
  const facts = (rules: readonly PolicyRule[]): PolicyFacts => ({
    realm: REALM,
    rules,
    principals: [
      summaryOf('web/1'),
      summaryOf('web/2'),
      summaryOf('orders', { groups: [BACKEND] }),
      summaryOf('kdc'),
    ],
    maxServiceLife: HOUR,
    now: NOW,
  })

  it('is said in the words of the command line, with how many it is about', () => {
    const before = ruleOf('web/*', 'orders')
    const after = ruleOf('web/*', 'orders', { claims: [['role', 'reader']] })
    expect(changing(facts([before]), before, after)).toEqual([
      'Changed: role=reader added.',
      'It is about 2 clients and 1 service of now.',
      'It is in force with the next ticket. Tickets in hand live to their end, at most 1h from now, unless the tickets of the client are revoked.',
    ])
    expect(changing(facts([]), null, ruleOf('web/*', 'orders')).at(-1)).toBe(
      'It is in force with the next ticket.',
    )
  })

  it('warns of who is not there, and of a denial that wins', () => {
    const deny = ruleOf('*', 'orders', { effect: 'deny' })
    expect(warningsOf(facts([deny]), ruleOf('mail', 'orders'))).toEqual([
      'there is no principal mail@demo.example yet; the rule counts once there is: orthrus admin add mail',
      "deny * -> orders still wins over this rule; to take it away: orthrus admin policy '*' orders --forget",
    ])
    expect(
      warningsOf(facts([ruleOf('web/*', BACKEND, { effect: 'deny' })]), ruleOf('web/1', 'orders')),
    ).toHaveLength(1)
    // What is about everyone is not about the KDC.
    expect(warningsOf(facts([ruleOf('*', '*', { effect: 'deny' })]), ruleOf('web/1', 'kdc'))).toEqual([])
    expect(warningsOf({ ...facts([]), principals: undefined }, ruleOf('mail', 'orders'))).toEqual([])
  })

  it('says what is left when a rule is forgotten', () => {
    const rule = ruleOf('web/1', 'orders')
    const left = (...others: PolicyRule[]) => forgetting(facts([rule, ...others]), rule).at(-2)
    expect(left()).toBe(
      'No other rule is about all of the pair: whoever got tickets by it alone gets none any more.',
    )
    expect(left(ruleOf('web/*', '*'))).toBe('1 other rule about the pair then decide.')
    expect(left(ruleOf('*', 'orders', { effect: 'deny' }))).toBe('1 other rule still deny it.')
    expect(left(ruleOf('*', 'orders', { until: NOW }))).toMatch(/^No other rule/)
    expect(pattern('web')).toBe('web@demo.example')
  })
})
