import type { Value } from '../encoding/encoding.js'
import { fields, groupOf, listOf, nullable, numberOf, principalOf } from '../encoding/fields.js'
import { malformed } from '../errors.js'
import type { Pattern } from '../pattern.js'
import type { Principal } from '../principal.js'

/** The groups of policy, as the methods of administration send them (docs/protocol.md section 9). */

/** The most principals that one call puts into a group or takes out of it. */
export const MEMBERS_MAX = 100

/** The arguments of `group-add` and `group-remove`. */
export interface GroupChange {
  /** `@backend` */
  readonly group: Pattern
  /** At least one, and none twice. */
  readonly principals: readonly Principal[]
}

export function encodeGroupChange({ group, principals }: GroupChange): Value[] {
  return [group, [...principals]]
}

/** @throws OrthrusError `malformed` */
export function decodeGroupChange(args: readonly Value[]): GroupChange {
  const [group, principals] = fields(args, 2)
  const names = listOf(principals, MEMBERS_MAX).map(principalOf)
  if (names.length === 0) throw malformed('no principals')
  if (new Set(names).size < names.length) throw malformed('a principal twice')
  return { group: groupOf(group), principals: names }
}

/** The result of both: whom the call put into the group, or took out of it. */
export function encodeMoved(principals: readonly Principal[]): Value[] {
  return [[...principals]]
}

/** @throws OrthrusError `malformed` */
export function decodeMoved(results: readonly Value[]): Principal[] {
  const [principals] = fields(results, 1)
  return listOf(principals).map(principalOf)
}

/** The arguments of `members`: of which group, or null for any; and which page. */
export interface MembersQuestion {
  readonly group: Pattern | null
  readonly after: Principal | null
  readonly limit: number
}

/** @throws OrthrusError `malformed` */
export function decodeMembersQuestion(args: readonly Value[]): MembersQuestion {
  const [group, after, limit] = fields(args, 3)
  const asked = numberOf(limit)
  if (asked === 0) throw malformed('a page of no rows')
  return { group: nullable(group, groupOf), after: nullable(after, principalOf), limit: asked }
}

/** Each row of `members`. */
export interface GroupsOfPrincipal {
  readonly principal: Principal
  /** In the order of their names. */
  readonly groups: readonly Pattern[]
}

export function encodeGroupsOfPrincipal({ principal, groups }: GroupsOfPrincipal): Value[] {
  return [principal, [...groups]]
}

/** @throws OrthrusError `malformed` */
export function decodeGroupsOfPrincipal(value: Value | undefined): GroupsOfPrincipal {
  const [principal, groups] = fields(value, 2)
  return { principal: principalOf(principal), groups: listOf(groups).map(groupOf) }
}
