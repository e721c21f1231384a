import type {
  AdminMethod,
  ConcernedMethod,
  InvitationMethod,
  OwnMethod,
} from '../../shared/administration/methods.js'
import {
  decodeNewPrincipal,
  encodeAddedPrincipal,
  encodePrincipalSummary,
} from '../../shared/administration/principals.js'
import { encodeRevoked } from '../../shared/administration/revocations.js'
import { decodeRuleChange, encodePolicyRule, type RuleChange } from '../../shared/administration/rules.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { fields, patternOf } from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import type { FeedMethod } from '../../shared/revocation/feed.js'
import { mayAdminister } from '../issue/ownership.js'
import { CHANNEL_MESSAGE_BYTES, PUBLIC_MESSAGE_BYTES } from '../limits/defaults.js'
import { AUDIT_METHODS } from './audit.js'
import { BACKUP_METHODS } from './backup.js'
import { type AdminContext, actorOf } from './context.js'
import { FEED_METHODS_BY_NAME } from './feed.js'
import { GROUP_METHODS } from './group-methods.js'
import { INVITATION_METHODS } from './invitation-methods.js'
import { KEY_METHODS } from './key-methods.js'
import { stillAdministrating } from './lockout.js'
import { decodePage, decodePrincipal, type Method, method, NO_RESULTS } from './method.js'
import type { Subject } from './owners.js'
import { add, disable, enable, list, remove, show } from './principals.js'
import { REALM_METHODS } from './realm-methods.js'
import { REFUSAL_METHODS } from './refusals.js'
import { REVOCATION_METHODS } from './revocations.js'
import { type Caller, requireCaller } from './role.js'
import { MASTER_KEY_METHODS } from './rotate-master-key.js'
import { forget, policy, ruleFor, setRule } from './rules.js'
import { WHY_METHODS } from './why.js'

/**
 * The methods of `kdc@realm`. Each says who may call it, how its arguments are decoded and what it does
 * (`shared/administration/methods.ts` has the list).
 */

const addMethod = method({
  callers: 'administrators',
  reads: false,
  decode: decodeNewPrincipal,
  run: async (context, added) => encodeAddedPrincipal(await add(context, added)),
})

const showMethod = method({
  callers: 'owners',
  about: ofPrincipal,
  reads: true,
  decode: decodePrincipal,
  run: async (context, name) => [encodePrincipalSummary(await show(context, name))],
})

const listMethod = method({
  callers: 'administrators',
  reads: true,
  decode: args => decodePage(args, decodePrincipal),
  run: async (context, { after, limit }) => {
    const rows = await list(context, after, limit)
    return [rows.map(encodePrincipalSummary)]
  },
})

const policyMethod = method({
  callers: 'owners',
  about: 'rows',
  reads: true,
  decode: args => decodePage(args, decodePair),
  run: async (context, { after, limit }) => {
    const rows = await policy(context, after, limit)
    return [rows.map(encodePolicyRule)]
  },
})

const ruleForMethod = method({
  callers: 'owners',
  about: ofPair,
  reads: true,
  decode: decodePair,
  run: async (context, [client, service]) => {
    const rule = await ruleFor(context, client, service)
    return [rule && encodePolicyRule(rule)]
  },
})

const forgetMethod = method({
  callers: 'owners',
  about: ofPair,
  reads: false,
  decode: decodePair,
  run: async (context, [client, service]) => {
    await forget(context, client, service)
    return NO_RESULTS
  },
})

const enableMethod = method({
  callers: 'administrators',
  reads: false,
  decode: decodePrincipal,
  run: async (context, name) => {
    await enable(context, name)
    return NO_RESULTS
  },
})

/** A method of administrators that takes one principal and revokes its tickets. */
function revokingMethod(act: (context: AdminContext, name: Principal) => Promise<number>): Method {
  return method({
    callers: 'administrators',
    reads: false,
    decode: decodePrincipal,
    run: async (context, name) => encodeRevoked(await act(context, name)),
  })
}

/** `allow` and `deny` differ only in the effect of the rule that they accept. */
function effectMethod(effect: 'allow' | 'deny'): Method {
  return method({
    callers: 'owners',
    about: ({ rule }: RuleChange) => ({ service: rule.service }),
    reads: false,
    decode: args => {
      const change = decodeRuleChange(args)
      if (change.rule.effect !== effect) throw malformed(`a rule that does not ${effect}`)
      return change
    },
    run: async (context, change) => {
      await setRule(context, change)
      return NO_RESULTS
    },
  })
}

const METHODS: ReadonlyMap<string, Method> = new Map(
  Object.entries({
    ...FEED_METHODS_BY_NAME,
    add: addMethod,
    show: showMethod,
    list: listMethod,
    disable: revokingMethod(disable),
    enable: enableMethod,
    remove: revokingMethod(remove),
    ...REVOCATION_METHODS,
    allow: effectMethod('allow'),
    deny: effectMethod('deny'),
    rule: ruleForMethod,
    forget: forgetMethod,
    policy: policyMethod,
    ...GROUP_METHODS,
    ...KEY_METHODS,
    ...REALM_METHODS,
    ...INVITATION_METHODS,
    ...BACKUP_METHODS,
    ...MASTER_KEY_METHODS,
    ...WHY_METHODS,
    ...REFUSAL_METHODS,
    ...AUDIT_METHODS,
  } satisfies Record<AdminMethod | ConcernedMethod | OwnMethod | FeedMethod | InvitationMethod, Method>),
)

/** Runs one call if its caller may make it. @throws OrthrusError with a code of the wire */
export async function callMethod(
  context: AdminContext,
  name: string,
  args: readonly Value[],
): Promise<Value[]> {
  const found = METHODS.get(name)
  // Only administrators may learn which methods exist.
  requireCaller(found?.callers ?? 'administrators', context.caller, context.realm.time.now())
  if (found === undefined) throw malformed(`there is no method ${JSON.stringify(name.slice(0, 40))}`)
  const changing = found.callers === 'administrators' && !found.reads ? stillAdministrating(context) : context
  const results = await found.call(changing, args)
  if (found.reads && isAdministering(context.caller)) {
    const on = args.filter(arg => typeof arg === 'string')
    await context.report.record({ kind: 'records_read', ...actorOf(context), method: name, on })
  }
  return results
}

/** Whoever asks about itself alone writes no line: it could push its traces out of the log by asking. */
function isAdministering(caller: Caller | undefined): boolean {
  return caller === undefined || mayAdminister(caller.claims)
}

/** The largest message accepted from this caller, bytes. */
export function largestCallOf({ claims }: Caller): number {
  return mayAdminister(claims) ? CHANNEL_MESSAGE_BYTES : PUBLIC_MESSAGE_BYTES
}

function ofPair([, service]: readonly [client: Pattern, service: Pattern]): Subject {
  return { service }
}

function ofPrincipal(name: Principal): Subject {
  return { service: name as string as Pattern }
}

function decodePair(value: Value | undefined | readonly Value[]): [client: Pattern, service: Pattern] {
  const [client, service] = fields(value, 2)
  return [patternOf(client), patternOf(service)]
}
