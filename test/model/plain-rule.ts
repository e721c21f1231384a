import { NO_TERMS, type PolicyRule } from '../../shared/administration/rule.js'
import type { Pattern } from '../../shared/pattern.js'
import type { FactRule } from './policy-facts.js'

/** A rule as the KDC is told it, and as the reference has it. */

export function ruleFrom({ client, service, effect, ...terms }: FactRule): PolicyRule {
  const { claims, caveats, maxLife, delegable, until, rate } = terms
  const [methods = null, paths = null] = ['methods', 'paths'].map(name => {
    const list = caveats.find(caveat => caveat[0] === name)?.[1]
    return typeof list === 'object' ? list.map(String) : null
  })
  const pair = { client: client as Pattern, service: service as Pattern, effect }
  if (effect === 'deny') return { ...pair, ...NO_TERMS, until }
  return { ...pair, claims, maxLife, methods, paths, delegable, until, rate }
}

export function factsOf({ methods, paths, claims, ...rule }: PolicyRule): FactRule {
  const caveats = [...(methods ? [['methods', methods]] : []), ...(paths ? [['paths', paths]] : [])]
  return { ...rule, claims: claims.map(([name, value]) => [name, String(value)]), caveats } as FactRule
}
