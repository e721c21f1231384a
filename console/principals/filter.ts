import type { DueKey } from '../../shared/administration/keys.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import { isReserved, localPart, type Principal } from '../../shared/principal.js'

/** Which principals are shown. */
export interface PrincipalFilter {
  /** A part of the name, or a group as `@backend`. */
  readonly text: string
  readonly kind: Kind | 'all'
  readonly state: State | 'all'
  readonly due: boolean
  readonly order: Order
}

export type Order = 'name' | 'oldest key'

export type Kind = 'key' | 'password' | 'no key' | 'KDC'

export type State = 'enabled' | 'disabled' | 'expired'

export const EVERYTHING: PrincipalFilter = { text: '', kind: 'all', state: 'all', due: false, order: 'name' }

export function kindOf({ principal, kvnos, passwordBased }: PrincipalSummary): Kind {
  if (isReserved(principal)) return 'KDC'
  if (kvnos.length === 0) return 'no key'
  return passwordBased ? 'password' : 'key'
}

/** @param now KDC time, milliseconds */
export function stateOf({ disabled, expiresAt }: PrincipalSummary, now: number): State {
  if (disabled) return 'disabled'
  return expiresAt !== null && expiresAt <= now ? 'expired' : 'enabled'
}

/** Those that the filter lets through: in the order that they have, or those with the oldest key first and without any last. */
export function filtered(
  principals: readonly PrincipalSummary[],
  due: ReadonlyMap<Principal, DueKey>,
  filter: PrincipalFilter,
  now: number,
): readonly PrincipalSummary[] {
  const text = filter.text.trim().toLowerCase()
  const found = principals.filter(each => {
    if (filter.kind !== 'all' && kindOf(each) !== filter.kind) return false
    if (filter.state !== 'all' && stateOf(each, now) !== filter.state) return false
    if (filter.due && !due.has(each.principal)) return false
    return hasText(each, text)
  })
  return filter.order === 'name' ? found : found.sort((one, other) => madeAt(one) - madeAt(other))
}

function madeAt({ keyCreatedAt }: PrincipalSummary): number {
  return keyCreatedAt ?? Number.MAX_SAFE_INTEGER
}

function hasText({ principal, groups }: PrincipalSummary, text: string): boolean {
  if (text === '') return true
  if (text.startsWith('@')) return groups.some(group => group.startsWith(text))
  return (text.includes('@') ? principal : localPart(principal)).includes(text)
}
