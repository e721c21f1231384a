import {
  type AdminMethod,
  decodeNewPrincipal,
  decodeRuleChange,
  encodeAddedPrincipal,
  encodePolicyRule,
  encodePrincipalSummary,
  PAGE_ROWS,
  patternOf,
} from '../../shared/channel/administration.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { fields, nullable, numberOf, principalOf } from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import type { AdminContext } from './context.js'
import { add, disable, enable, list, remove, show } from './principals.js'
import { forget, policy, ruleFor, setRule } from './rules.js'

/** The methods as they are called: arguments decoded, results encoded (`shared/channel/administration.ts` has the list). */

interface Method {
  /** @throws OrthrusError `malformed` for arguments of a wrong form; and what the method throws */
  run(context: AdminContext, args: readonly Value[]): Promise<Value[]>
  /** Whether it only reads; what changes something tells of that by itself. */
  readonly reads: boolean
}

const NOTHING: Value[] = []

const add_: Method = {
  reads: false,
  run: async (context, args) => encodeAddedPrincipal(await add(context, decodeNewPrincipal(args))),
}

const show_: Method = {
  reads: true,
  run: async (context, args) => [encodePrincipalSummary(await show(context, onePrincipal(args)))],
}

const list_: Method = {
  reads: true,
  run: async (context, args) => {
    const [after, limit] = fields(args, 2)
    const rows = await list(context, nullable(after, behindPrincipal), limitOf(limit))
    return [rows.map(encodePrincipalSummary)]
  },
}

const policy_: Method = {
  reads: true,
  run: async (context, args) => {
    const [after, limit] = fields(args, 2)
    const rows = await policy(context, nullable(after, twoPatterns), limitOf(limit))
    return [rows.map(encodePolicyRule)]
  },
}

const rule_: Method = {
  reads: true,
  run: async (context, args) => {
    const rule = await ruleFor(context, ...twoPatterns(args))
    return [rule && encodePolicyRule(rule)]
  },
}

const forget_: Method = {
  reads: false,
  run: async (context, args) => {
    await forget(context, ...twoPatterns(args))
    return NOTHING
  },
}

/** A method that takes one principal and has nothing to say. */
function onPrincipal(deed: (context: AdminContext, name: Principal) => Promise<void>): Method {
  return {
    reads: false,
    run: async (context, args) => {
      await deed(context, onePrincipal(args))
      return NOTHING
    },
  }
}

/** `allow` and `deny` differ in what they say only. */
function ruleMethod(effect: 'allow' | 'deny'): Method {
  return {
    reads: false,
    run: async (context, args) => {
      const change = decodeRuleChange(args)
      if (change.rule.effect !== effect) throw malformed(`a rule that does not ${effect}`)
      await setRule(context, change)
      return NOTHING
    },
  }
}

const METHODS: ReadonlyMap<string, Method> = new Map(
  Object.entries({
    add: add_,
    show: show_,
    list: list_,
    disable: onPrincipal(disable),
    enable: onPrincipal(enable),
    remove: onPrincipal(remove),
    allow: ruleMethod('allow'),
    deny: ruleMethod('deny'),
    rule: rule_,
    forget: forget_,
    policy: policy_,
  } satisfies Record<AdminMethod, Method>),
)

/** Runs one call of who has been found to be an administrator. @throws OrthrusError with a code of the wire */
export async function callMethod(
  context: AdminContext,
  name: string,
  args: readonly Value[],
): Promise<Value[]> {
  const method = METHODS.get(name)
  if (method === undefined) throw malformed(`there is no method ${JSON.stringify(name.slice(0, 40))}`)
  const results = await method.run(context, args)
  if (method.reads) {
    const on = args.filter(arg => typeof arg === 'string')
    await context.report.record({ kind: 'records_read', by: context.actors, method: name, on })
  }
  return results
}

function onePrincipal(args: readonly Value[]): Principal {
  const [name] = fields(args, 1)
  return principalOf(name)
}

function behindPrincipal(value: Value | undefined): Principal {
  const [name] = fields(value, 1)
  return principalOf(name)
}

function twoPatterns(value: Value | readonly Value[] | undefined): [Pattern, Pattern] {
  const [client, service] = fields(value, 2)
  return [patternOf(client), patternOf(service)]
}

/** As many rows as asked for, but never more than a page. */
function limitOf(value: Value | undefined): number {
  const limit = numberOf(value)
  if (limit === 0) throw malformed('a page of no rows')
  return Math.min(limit, PAGE_ROWS)
}
