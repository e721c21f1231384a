import type { AuditRow } from '../../client/channel/audit-reading.js'
import { Name, Text } from '../parts/name.js'
import { visibleText } from '../parts/visible-text.js'
import { lookOf, restOf, whoOf } from './line-words.js'

export interface LineRowProps {
  readonly row: AuditRow
  readonly realm: string
  /** How many lines are missing between this one and the one above. */
  readonly missing: number
  readonly isSelected: boolean
}

/** One line in the list. */
export function LineRow({ row: { line }, realm, missing, isSelected }: LineRowProps) {
  const { at, outcome, service, from } = line
  const rest = shortened(restOf(line), realm)
  return (
    <div class="audit-row" data-selected={isSelected}>
      <time class="audit-time" dateTime={at} title={at}>
        {at.slice(5, 10)} {at.slice(11, 23)}
      </time>
      <span class={`audit-outcome audit-${lookOf(outcome)}`}>{outcome}</span>
      <span class="audit-who">
        <Name name={whoOf(line)} realm={realm} />
        {service !== undefined && (
          <>
            {' '}
            <span aria-hidden="true">→</span>
            <span class="unseen">for</span> <Name name={service} realm={realm} />
          </>
        )}
      </span>
      <span class="audit-rest" title={visibleText(rest)}>
        {missing > 0 && <strong class="audit-bad">{missing} lines are missing here. </strong>}
        <Text text={rest} />
      </span>
      <span class="audit-from">{from !== undefined && <Text text={from} />}</span>
    </div>
  )
}

/** Names of the own realm without it, as the command line has them. */
function shortened(text: string, realm: string): string {
  return text.replaceAll(`@${realm}`, '')
}
