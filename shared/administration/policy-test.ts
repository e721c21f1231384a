import { OrthrusError } from '../errors.js'
import type { Pattern } from '../pattern.js'
import { localPart, type Principal } from '../principal.js'
import { decodeCaveat, requireCaveats } from '../ticket/caveats.js'
import { type Decision, decide } from './policy-decision.js'
import type { Expectation } from './policy-expectation.js'
import { type PolicyFile, ruleLine } from './policy-file.js'
import { writeClaim } from './policy-text.js'

/**
 * Holds what a policy file expects against its rules, without a KDC. The KDC's own function decides. Every service that is
 * named counts as one that exists and has a random key.
 */

/** An expectation that does not hold. */
export interface Unmet {
  readonly expectation: Expectation
  readonly why: string
}

const HERE = { passwordBased: false, hasKey: true, disabled: false, expiresAt: null }

/** @param now the time for expectations that name none, milliseconds */
export function unmetIn(policy: PolicyFile, expectations: readonly Expectation[], now: number): Unmet[] {
  return expectations.flatMap(expectation => {
    const decision = decisionFor(policy, expectation, now)
    const against = reasonAgainst(expectation, decision, now)
    if ((against === undefined) === expectation.can) return []
    return [{ expectation, why: `${against ?? granted(expectation)}${byRule(policy, decision)}` }]
  })
}

function decisionFor(policy: PolicyFile, { client, service, at }: Expectation, now: number): Decision {
  const groups = { client: groupsOf(policy, client), service: groupsOf(policy, service) }
  return decide(policy.rules, { client, service, groups, facts: HERE, now: at ?? now })
}

/** In the order in which a principal's record has them. */
function groupsOf({ groups }: PolicyFile, principal: Principal): Pattern[] {
  return [...groups]
    .filter(([, members]) => members.includes(principal))
    .map(([group]) => group)
    .sort()
}

/** Why the client cannot do what is named; `undefined` if it can. */
function reasonAgainst(expectation: Expectation, decision: Decision, now: number): string | undefined {
  const { client, service, claims, request, delegable, at } = expectation
  if (!decision.allowed)
    return `${localPart(client)} gets no ticket for ${localPart(service)}: ${decision.reason}`
  const { terms } = decision
  const has = terms.claims.map(([name, value]) => writeClaim(name, value))
  const missing = claims.map(([name, value]) => writeClaim(name, value)).find(claim => !has.includes(claim))
  if (missing !== undefined)
    return `the ticket does not have ${missing}; it has ${has.join(' ') || 'no claims'}`
  if (delegable && !terms.delegable) return 'the ticket is not delegable'
  if (request === null) return undefined
  const caveats = terms.caveats.map(decodeCaveat)
  const facts = { now: at ?? now, service, method: request.method, target: request.path, holder: undefined }
  try {
    requireCaveats(caveats, { ...facts, checkers: new Map() })
    return undefined
  } catch (cause) {
    if (cause instanceof OrthrusError) return cause.reason
    throw cause
  }
}

function granted({ client, service, claims }: Expectation): string {
  const having = claims.map(([name, value]) => writeClaim(name, value)).join(' ')
  const ticket = `${localPart(client)} gets a ticket for ${localPart(service)}`
  return having === '' ? ticket : `${ticket} with ${having}`
}

function byRule({ realm, lines, rules }: PolicyFile, { rule }: Decision): string {
  const found = rules.find(each => each.client === rule?.client && each.service === rule.service)
  if (found === undefined) return ''
  const line = lines.get(found)
  const where = line === undefined ? 'the file does not have' : `line ${line}:`
  return ` (${where} ${ruleLine(realm, found)})`
}
