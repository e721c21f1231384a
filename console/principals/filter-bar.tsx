import { Field } from '../parts/field.js'
import { Choice, TextInput } from '../parts/inputs.js'
import type { PrincipalFilter } from './filter.js'

export interface FilterBarProps {
  readonly filter: PrincipalFilter
  readonly onChange: (filter: PrincipalFilter) => void
}

const KIND_WORDS = [
  ['all', 'all'],
  ['key', 'with a key'],
  ['password', 'with a password'],
  ['no key', 'without a key'],
  ['KDC', 'of the KDC'],
] as const

const STATE_WORDS = [
  ['all', 'all'],
  ['enabled', 'enabled'],
  ['disabled', 'disabled'],
  ['expired', 'expired'],
] as const

const ORDER_WORDS = [
  ['name', 'by name'],
  ['oldest key', 'oldest key'],
] as const

export function FilterBar({ filter, onChange }: FilterBarProps) {
  return (
    <>
      <div class="field-wide">
        <Field label="Find">
          <TextInput
            isSearch
            placeholder="name, or @group"
            value={filter.text}
            onType={text => onChange({ ...filter, text })}
          />
        </Field>
      </div>
      <Field label="Kind">
        <Choice value={filter.kind} options={KIND_WORDS} onChoose={kind => onChange({ ...filter, kind })} />
      </Field>
      <Field label="State">
        <Choice
          value={filter.state}
          options={STATE_WORDS}
          onChoose={state => onChange({ ...filter, state })}
        />
      </Field>
      <Field label="First">
        <Choice
          value={filter.order}
          options={ORDER_WORDS}
          onChoose={order => onChange({ ...filter, order })}
        />
      </Field>
      <label class="principals-due">
        <input
          type="checkbox"
          checked={filter.due}
          onChange={event => onChange({ ...filter, due: event.currentTarget.checked })}
        />
        key due
      </label>
    </>
  )
}
