import type { PrincipalSummary } from '../../shared/administration/principals.js'
import { local } from '../support/realm.js'

/** A principal as the KDC lists it. */
export function summaryOf(name: string, rest: Partial<PrincipalSummary> = {}): PrincipalSummary {
  return {
    principal: local(name),
    kvnos: [1],
    keyCreatedAt: 0,
    passwordBased: false,
    groups: [],
    disabled: false,
    expiresAt: null,
    maxLife: null,
    maxRenew: null,
    createdAt: 0,
    changedAt: 0,
    ...rest,
  }
}
