import { Field } from '../parts/field.js'
import type { RuleFilter } from './rule-filter.js'

export interface RuleFilterBarProps {
  readonly filter: RuleFilter
  readonly onChange: (filter: RuleFilter) => void
}

const EFFECTS = ['all', 'allow', 'deny', 'ended'] as const
const WORDS = { all: 'all', allow: 'allowing', deny: 'denying', ended: 'ended' } as const

export function RuleFilterBar({ filter, onChange }: RuleFilterBarProps) {
  return (
    <>
      <div class="field-wide">
        <Field label="Find">
          <input
            class="input"
            type="search"
            placeholder="a client or a service"
            spellcheck={false}
            value={filter.text}
            onInput={event => onChange({ ...filter, text: event.currentTarget.value })}
          />
        </Field>
      </div>
      <Field label="Rules">
        <select
          class="input"
          value={filter.effect}
          onChange={event => {
            const { value } = event.currentTarget
            onChange({ ...filter, effect: EFFECTS.find(each => each === value) ?? 'all' })
          }}
        >
          {EFFECTS.map(effect => (
            <option key={effect} value={effect}>
              {WORDS[effect]}
            </option>
          ))}
        </select>
      </Field>
    </>
  )
}
