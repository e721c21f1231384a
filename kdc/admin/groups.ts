import type { GroupChange, GroupsOfPrincipal } from '../../shared/administration/groups.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Pattern } from '../../shared/pattern.js'
import { isReserved, type Principal } from '../../shared/principal.js'
import { GROUPS_OF_PRINCIPAL } from '../limits/defaults.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord, type PrincipalRecord } from '../vault/records.js'
import {
  type AdminContext,
  changeRealm,
  requireOwnRealm,
  requirePrincipal,
  shortName,
  type Versioned,
  writePrincipal,
} from './context.js'
import { requireRemaining } from './lockout.js'

/**
 * The methods for groups. A principal's groups are in its own record: they end when it is removed, and one that is made
 * later under its name is in none. So a member is a principal that exists, never a pattern or another group, and a group
 * is there for as long as it has a member.
 */

/**
 * Puts principals into a group. In force with their next ticket.
 * @returns those that were not in it before
 * @throws OrthrusError `malformed` for a principal of the KDC, of another realm, or with too many groups;
 * `unknown_service` `not_authorized`
 */
export function addToGroup(context: AdminContext, { group, principals }: GroupChange): Promise<Principal[]> {
  return changeGroups(context, 'group-add', group, principals, groups => withGroup(groups, group))
}

/** @throws OrthrusError `malformed` for one group too many */
export function withGroup(groups: readonly Pattern[], group: Pattern): readonly Pattern[] {
  if (groups.includes(group)) return groups
  if (groups.length < GROUPS_OF_PRINCIPAL) return [...groups, group].sort()
  throw malformed(`a principal is in ${GROUPS_OF_PRINCIPAL} groups at most`)
}

export function withoutGroup(groups: readonly Pattern[], group: Pattern): readonly Pattern[] {
  return groups.includes(group) ? groups.filter(each => each !== group) : groups
}

/**
 * Takes principals out of a group.
 * @returns those that were in it
 * @throws OrthrusError `unknown_service` `not_authorized`
 */
export function removeFromGroup(
  context: AdminContext,
  { group, principals }: GroupChange,
): Promise<Principal[]> {
  return changeGroups(context, 'group-remove', group, principals, groups => withoutGroup(groups, group))
}

function changeGroups(
  context: AdminContext,
  method: 'group-add' | 'group-remove',
  group: Pattern,
  principals: readonly Principal[],
  amend: (groups: readonly Pattern[]) => readonly Pattern[],
): Promise<Principal[]> {
  for (const name of principals) requireMember(context, name)
  return changeRealm(context, async now => {
    const found = await Promise.all(principals.map(name => requirePrincipal(context, name)))
    const moved = found.flatMap(({ version, record }): Versioned<PrincipalRecord>[] => {
      const groups = amend(record.groups)
      return groups === record.groups ? [] : [{ version, record: { ...record, groups, changedAt: now } }]
    })
    const after = moved.map(({ record: { name, groups } }) => ({ principal: name, groups, changed: [group] }))
    await requireRemaining(context, { rules: [], groups: after }, now)
    const names = moved.map(({ record }) => record.name)
    return {
      changes: moved.map(writePrincipal),
      // A rule may deny to members of a group what everybody else has.
      effect: 'takes',
      result: names,
      reported: names.length === 0 ? undefined : { method, group, principals: names },
    }
  })
}

/** @throws OrthrusError `malformed` for a principal of the KDC, or of another realm */
export function requireMember(context: AdminContext, name: Principal): void {
  requireOwnRealm(context, name)
  if (!isReserved(name)) return
  throw new OrthrusError('malformed', `${name} can be in no group: rules name it alone`, {
    principal: name,
    hint: `a rule about it: orthrus admin allow CLIENT ${shortName(name)}`,
  })
}

/** How many records are read at a time. */
const PAGE = 256

/**
 * Principals that are in a group, in the order of their names, those after `after`. All records are read once for this.
 * @param group of which they are members; null for any
 */
export async function members(
  { realm: { vault } }: AdminContext,
  group: Pattern | null,
  after: Principal | null,
  limit: number,
): Promise<GroupsOfPrincipal[]> {
  const rows: GroupsOfPrincipal[] = []
  for (let last: string | null = after; rows.length < limit; ) {
    const page = await vault.list(RECORD_KIND.PRINCIPAL, {
      ...(last === null ? {} : { after: last }),
      limit: PAGE,
    })
    for (const { fields } of page) {
      const { name, groups } = decodePrincipalRecord(fields)
      if (group === null ? groups.length > 0 : groups.includes(group)) rows.push({ principal: name, groups })
    }
    last = page.at(-1)?.name ?? null
    if (page.length < PAGE) break
  }
  return rows.slice(0, limit)
}
