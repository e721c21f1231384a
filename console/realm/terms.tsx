import { isOver, type PolicyRule } from '../../shared/administration/rule.js'
import { ruleCells } from '../../shared/administration/rule-text.js'
import type { RealmName } from '../../shared/principal.js'
import { Text } from '../parts/name.js'

/** What a rule says of its pair, as `orthrus admin policy` writes it. */
export function termsText(realm: RealmName, rule: PolicyRule): string {
  return ruleCells(realm, rule).at(-1) ?? ''
}

export interface TermsProps {
  readonly realm: RealmName
  readonly rule: PolicyRule
  readonly now: number
}

/** A rule's effect and terms. */
export function Terms({ realm, rule, now }: TermsProps) {
  const terms = termsText(realm, rule)
  return (
    <>
      {rule.effect === 'deny' && <span class="badge badge-bad">denied</span>}
      {isOver(rule, now) && <span class="badge">ended</span>}{' '}
      {terms === '' ? rule.effect === 'allow' && <span class="quiet">no terms</span> : <Text text={terms} />}
    </>
  )
}
