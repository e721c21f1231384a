import { Field } from '../parts/field.js'
import { Choice, TextInput } from '../parts/inputs.js'
import type { RuleFilter } from './rule-filter.js'

export interface RuleFilterBarProps {
  readonly filter: RuleFilter
  readonly onChange: (filter: RuleFilter) => void
}

const EFFECTS = [
  ['all', 'all'],
  ['allow', 'allowing'],
  ['deny', 'denying'],
  ['ended', 'ended'],
] as const

export function RuleFilterBar({ filter, onChange }: RuleFilterBarProps) {
  return (
    <>
      <div class="field-wide">
        <Field label="Find">
          <TextInput
            isSearch
            placeholder="a client or a service"
            value={filter.text}
            onType={text => onChange({ ...filter, text })}
          />
        </Field>
      </div>
      <Field label="Rules">
        <Choice
          value={filter.effect}
          options={EFFECTS}
          onChoose={effect => onChange({ ...filter, effect })}
        />
      </Field>
    </>
  )
}
