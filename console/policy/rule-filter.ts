import { isOver, type PolicyRule } from '../../shared/administration/rule.js'
import type { Pattern } from '../../shared/pattern.js'

/** Which rules are shown. */
export interface RuleFilter {
  /** A part of the name of either side, as a person writes it. */
  readonly text: string
  readonly effect: 'all' | 'allow' | 'deny' | 'ended'
  /** Of a node that was chosen: the patterns of one side. */
  readonly chosen: Chosen | undefined
}

export interface Chosen {
  readonly side: 'client' | 'service'
  readonly members: readonly Pattern[]
  readonly label: string
}

export const ALL_RULES: RuleFilter = { text: '', effect: 'all', chosen: undefined }

/** @param now KDC time, milliseconds */
export function rulesShown(
  rules: readonly PolicyRule[],
  { text, effect, chosen }: RuleFilter,
  now: number,
): readonly PolicyRule[] {
  const part = text.trim().toLowerCase()
  const members = new Set(chosen?.members)
  return rules.filter(rule => {
    if (chosen !== undefined && !members.has(rule[chosen.side])) return false
    if (effect === 'ended' ? !isOver(rule, now) : effect !== 'all' && rule.effect !== effect) return false
    return part === '' || rule.client.includes(part) || rule.service.includes(part)
  })
}
