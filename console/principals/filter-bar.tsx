import { Field } from '../parts/field.js'
import { KINDS, type PrincipalFilter, STATES } from './filter.js'

export interface FilterBarProps {
  readonly filter: PrincipalFilter
  readonly onChange: (filter: PrincipalFilter) => void
}

const KIND_WORDS = {
  key: 'with a key',
  password: 'with a password',
  'no key': 'without a key',
  KDC: 'of the KDC',
}

export function FilterBar({ filter, onChange }: FilterBarProps) {
  return (
    <>
      <div class="field-wide">
        <Field label="Find">
          <input
            class="input"
            type="search"
            placeholder="name, or @group"
            spellcheck={false}
            value={filter.text}
            onInput={event => onChange({ ...filter, text: event.currentTarget.value })}
          />
        </Field>
      </div>
      <Field label="Kind">
        <select
          class="input"
          value={filter.kind}
          onChange={event => {
            const { value } = event.currentTarget
            onChange({ ...filter, kind: KINDS.find(each => each === value) ?? 'all' })
          }}
        >
          <option value="all">all</option>
          {KINDS.map(kind => (
            <option key={kind} value={kind}>
              {KIND_WORDS[kind]}
            </option>
          ))}
        </select>
      </Field>
      <Field label="State">
        <select
          class="input"
          value={filter.state}
          onChange={event => {
            const { value } = event.currentTarget
            onChange({ ...filter, state: STATES.find(each => each === value) ?? 'all' })
          }}
        >
          <option value="all">all</option>
          {STATES.map(state => (
            <option key={state} value={state}>
              {state}
            </option>
          ))}
        </select>
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
