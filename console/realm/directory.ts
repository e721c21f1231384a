import type { DueKey } from '../../shared/administration/keys.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import { isGroup, type Pattern, patternsOf } from '../../shared/pattern.js'
import { isPrincipal, isReserved, type Principal } from '../../shared/principal.js'
import type { Read } from '../parts/loaded.js'
import type { Session } from '../session/session.js'
import { type Access, readAccess } from './access.js'

/** All principals of the realm, as far as the person may see them. */
export interface Directory {
  readonly access: Access
  /** In the order of their names. */
  readonly principals: readonly PrincipalSummary[]
  /** Those whose key is due to change. */
  readonly due: ReadonlyMap<Principal, DueKey>
  /** False while more are read, and for an owner, who is told of few. */
  readonly isWhole: boolean
}

/** After how many it is shown what has been read, the first time. */
const PART = 500

/** Reads it in pages. An owner gets those that it owns by name. */
export function readDirectory(session: Session): Read<Directory> {
  return async tell => {
    const access = await readAccess(session)
    if (!access.isAdministrator) return ownedOf(session, access)
    const principals: PrincipalSummary[] = []
    const due = new Map<Principal, DueKey>()
    for await (const key of session.administration.keys.due()) due.set(key.principal, key)
    for await (const principal of session.administration.list()) {
      principals.push(principal)
      if (principals.length % PART === 0) tell({ access, principals: [...principals], due, isWhole: false })
    }
    return { access, principals, due, isWhole: true }
  }
}

async function ownedOf({ administration }: Session, access: Access): Promise<Directory> {
  const names = access.owns.filter((name): name is Pattern & Principal => isPrincipal(name))
  const found = await Promise.allSettled(names.map(name => administration.show(name)))
  const principals = found.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  return { access, principals, due: new Map(), isWhole: false }
}

/** The principals that a pattern of a rule means. */
export function membersOf(
  pattern: Pattern,
  principals: readonly PrincipalSummary[],
): readonly PrincipalSummary[] {
  if (isGroup(pattern))
    return principals.filter(each => each.groups.includes(pattern) && !isReserved(each.principal))
  return principals.filter(each => patternsOf(each.principal, each.groups).includes(pattern))
}
