import type { PolicyRule } from '../../shared/administration/rule.js'
import type { RealmName } from '../../shared/principal.js'
import { Name } from '../parts/name.js'
import { VirtualList } from '../parts/virtual-list.js'
import { Terms } from '../realm/terms.js'

export interface RuleListProps {
  readonly rules: readonly PolicyRule[]
  readonly realm: RealmName
  readonly now: number
  readonly onOpen: (rule: PolicyRule) => void
}

/** Pixels. */
const ROW = 44

/** All rules, for keyboards and screen readers too: Enter opens one. */
export function RuleList({ rules, realm, now, onOpen }: RuleListProps) {
  return (
    <VirtualList
      rows={rules}
      rowHeight={ROW}
      label="Rules; Enter edits one"
      keyOf={rule => `${rule.client} ${rule.service}`}
      onOpen={onOpen}
      render={rule => (
        <button type="button" class="policy-row" tabIndex={-1} onClick={() => onOpen(rule)}>
          <span class="policy-pair">
            <Name name={rule.client} realm={realm} />
            <span class="quiet"> → </span>
            <Name name={rule.service} realm={realm} />
          </span>
          <span class="policy-terms">
            <Terms realm={realm} rule={rule} now={now} />
          </span>
        </button>
      )}
    />
  )
}
