import type { Policy } from '../../shared/administration/policy-file.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import type { Read } from '../parts/loaded.js'
import { type Access, readAccess } from '../realm/access.js'
import type { Session } from '../session/session.js'

/** Policy, as far as the person may see it. */
export interface PolicyData {
  readonly access: Access
  readonly policy: Policy
  /** All of the realm; undefined until they are read, and for an owner. */
  readonly principals: readonly PrincipalSummary[] | undefined
  readonly maxServiceLife: number | undefined
}

/** An owner is told the rules that are about what it owns. */
export function readPolicy(session: Session): Read<PolicyData> {
  return async tell => {
    const { administration } = session
    const access = await readAccess(session)
    if (!access.isAdministrator) {
      const rules: PolicyRule[] = []
      for await (const rule of administration.policy()) rules.push(rule)
      return {
        access,
        policy: { groups: new Map(), rules },
        principals: undefined,
        maxServiceLife: undefined,
      }
    }
    const policy = await administration.wholePolicy.read()
    const { maxServiceLife } = await administration.settings.show()
    tell({ access, policy, principals: undefined, maxServiceLife })
    const principals: PrincipalSummary[] = []
    for await (const principal of administration.list()) principals.push(principal)
    return { access, policy, principals, maxServiceLife }
  }
}
