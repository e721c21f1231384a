import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { AUDIT_KINDS, AUDIT_OUTCOMES } from '../../shared/administration/audit-line.js'
import { Button } from '../parts/button.js'
import { Field } from '../parts/field.js'
import { Choice, TextInput } from '../parts/inputs.js'
import type { Order } from './audit-model.js'
import type { Mistakes, TypedSearch } from './search.js'

export interface SearchFormProps {
  /** What the address of the page names. */
  readonly typed: TypedSearch
  readonly order: Order
  readonly mistakes: Mistakes
  readonly onSearch: (typed: TypedSearch, order: Order) => void
}

type TextField = Exclude<keyof TypedSearch, 'outcome' | 'kind'>

const FIRST = [
  ['since', 'Since', '1h, 7d, a time, or all'],
  ['client', 'Client', 'web, web/* or *'],
  ['service', 'Service', 'orders, orders/*'],
] as const satisfies readonly (readonly [TextField, string, string])[]

const FURTHER = [
  ['until', 'Before', '10m, or a time; else now'],
  ['method', 'Method', 'allow, revoke-client'],
  ['from', 'Address', 'a part of it'],
  ['ticket', 'Ticket or TGT', 'the beginning of its id'],
  ['id', 'Id of a refusal', '12 hexadecimal digits'],
] as const satisfies readonly (readonly [TextField, string, string])[]

const ORDERS = [
  ['newest', 'newest first'],
  ['oldest', 'oldest first'],
] as const

/** What to look for, in the words of `orthrus admin audit`. */
export function SearchForm({ typed, order, mistakes, onSearch }: SearchFormProps) {
  const draft = useSignal(typed)
  const chosen = useSignal(order)
  useEffect(() => {
    draft.value = typed
  }, [typed])
  const set = (field: keyof TypedSearch, value: string): void => {
    draft.value = { ...draft.value, [field]: value }
  }
  const input = ([field, label, placeholder]: readonly [TextField, string, string]) => (
    <Field key={field} label={label} error={mistakes[field]}>
      <TextInput placeholder={placeholder} value={draft.value[field]} onType={text => set(field, text)} />
    </Field>
  )
  const select = (field: 'outcome' | 'kind', label: string, words: readonly string[]) => (
    <Field label={label} error={mistakes[field]}>
      <Choice
        value={draft.value[field]}
        options={[['', 'all'], ...words.map(word => [word, word] as const)]}
        onChoose={word => set(field, word)}
      />
    </Field>
  )
  const isFurther = FURTHER.some(([field]) => typed[field] !== '') || typed.kind !== ''
  return (
    <form
      class="audit-form"
      aria-label="Search the audit log"
      onSubmit={event => {
        event.preventDefault()
        onSearch(draft.value, chosen.value)
      }}
    >
      <div class="audit-fields">
        {FIRST.map(input)}
        {select('outcome', 'Outcome', AUDIT_OUTCOMES)}
        <Field label="Order">
          <Choice
            value={chosen.value}
            options={ORDERS}
            onChoose={order => {
              chosen.value = order
            }}
          />
        </Field>
        <Button submit kind="main">
          Search
        </Button>
      </div>
      <details open={isFurther}>
        <summary>By end, kind, method, address, ticket or refusal</summary>
        <div class="audit-fields">
          {select('kind', 'About', AUDIT_KINDS)}
          {FURTHER.map(input)}
        </div>
      </details>
    </form>
  )
}
