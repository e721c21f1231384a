import { isOver } from '../../shared/administration/rule.js'
import { OrthrusError } from '../../shared/errors.js'
import { EVERYONE, isGroup, NO_GROUPS, type Pattern, patternIn, patternsOf } from '../../shared/pattern.js'
import {
  isInvitation,
  isPrincipal,
  isReserved,
  type Principal,
  type RealmName,
} from '../../shared/principal.js'
import type { Claims, ClaimValue } from '../../shared/ticket/claims.js'
import { isFleet } from '../realm/invitation.js'
import { groupsAfter, type RulesAndRecords, rulesAtKdc, termsAtKdc } from './terms-at-kdc.js'

/** Who may administer what, by the claims of a ticket for `kdc@realm` (docs/protocol.md section 9). */

/** Everything, by the claim `role` = `admin`; or the services that the claim `owner` names, and nothing else. */
export type Authority =
  | { readonly everything: true }
  | { readonly everything: false; readonly services: readonly Pattern[] }

export const EVERYTHING: Authority = { everything: true }

export function isAdministrator(claims: Claims): boolean {
  return claims.some(([name, value]) => name === 'role' && value === 'admin')
}

/** What the claims give. A name that no service can have gives nothing. */
export function authorityIn(claims: Claims, realm: RealmName): Authority {
  if (isAdministrator(claims)) return EVERYTHING
  const owner = claims.find(([name]) => name === 'owner')?.[1]
  return { everything: false, services: owner === undefined ? [] : ownedIn(owner, realm) }
}

/** Whether the claims give authority over anything, without looking at what. */
export function mayAdminister(claims: Claims): boolean {
  return isAdministrator(claims) || claims.some(([name]) => name === 'owner')
}

function ownedIn(value: ClaimValue, realm: RealmName): Pattern[] {
  return [value].flat().flatMap(text => {
    const pattern = typeof text === 'string' ? ownable(text, realm) : undefined
    return pattern === undefined ? [] : [pattern]
  })
}

/** What an `owner` claim may name: a service, the instances of a name, or a group; never everyone, nor the KDC. */
export function ownable(text: string, realm: RealmName): Pattern | undefined {
  let pattern: Pattern
  try {
    pattern = patternIn(realm, text)
  } catch {
    return undefined
  }
  if (pattern === EVERYONE) return undefined
  if (isGroup(pattern)) return pattern
  const name = pattern.replace('/*@', '@') as Principal
  return isReserved(name) || isInvitation(name) ? undefined : pattern
}

/**
 * Whether the authority covers a service, or all that a pattern names. A pattern is covered by the same pattern only: what
 * it will name later need not be the owner's.
 * @param groups those that the service is in
 */
export function covers(
  authority: Authority,
  service: Pattern,
  groups: readonly Pattern[] = NO_GROUPS,
): boolean {
  if (authority.everything) return true
  if (!isPrincipal(service)) return service !== EVERYONE && authority.services.includes(service)
  if (isReserved(service) || isInvitation(service)) return false
  return patternsOf(service, groups).some(
    pattern => pattern !== EVERYONE && authority.services.includes(pattern),
  )
}

/**
 * Whether the audit log about a service may be read.
 * @param groups those that the service is in
 */
export function mayReadAuditOf(
  authority: Authority,
  service: Principal,
  groups: readonly Pattern[] = NO_GROUPS,
): boolean {
  return covers(authority, service as string as Pattern, groups)
}

/** What both give. */
export function narrower(one: Authority, other: Authority): Authority {
  if (one.everything) return other
  if (other.everything) return one
  return { everything: false, services: one.services.filter(service => other.services.includes(service)) }
}

/** What a principal's next ticket would give it. Read from the store and no cache. */
export async function authorityAt(
  realm: RulesAndRecords,
  principal: Principal,
  now: number,
): Promise<Authority> {
  const terms = await termsAtKdc(realm, principal, now)
  return authorityIn(terms?.claims ?? [], realm.record.realm)
}

/** As `covers`, with the groups that the store has of the service. It is read only where groups can matter. */
export async function coversStored(
  realm: RulesAndRecords,
  authority: Authority,
  service: Pattern,
): Promise<boolean> {
  if (authority.everything || !isPrincipal(service) || !authority.services.some(isGroup))
    return covers(authority, service)
  return covers(authority, service, await groupsAfter(realm, service))
}

/**
 * Refuses to hand an owner the key of a principal that may administer more than the owner: with the key, the owner could.
 * Rules that a denial outweighs for now count too.
 * @throws OrthrusError `not_authorized`
 */
export async function requireNoMoreThan(
  realm: RulesAndRecords,
  authority: Authority,
  target: Pattern,
  now: number,
): Promise<void> {
  if (authority.everything) return
  const clients = isFleet(target)
    ? [target, EVERYONE]
    : patternsOf(target as string as Principal, await groupsAfter(realm, target as string as Principal))
  for (const rule of await rulesAtKdc(realm, clients)) {
    if (rule.effect === 'deny' || isOver(rule, now)) continue
    const given = authorityIn(rule.claims, realm.record.realm)
    if (!given.everything && given.services.every(service => authority.services.includes(service))) continue
    throw new OrthrusError('not_authorized', `${target} may administer what its owner may not`, {
      hint: 'an administrator can do this',
    })
  }
}
