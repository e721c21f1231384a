import { Field } from '../parts/field.js'
import { Choice, TextInput } from '../parts/inputs.js'
import type { FormField, RuleForm } from './rule-form.js'

const EFFECTS = [
  ['allow', 'allow: the client gets tickets for the service'],
  ['deny', 'deny: it gets none, whatever allows it'],
] as const

export interface RuleFieldsProps {
  readonly form: RuleForm
  /** A rule that is there keeps its pair. */
  readonly isNew: boolean
  readonly problems: Readonly<Partial<Record<FormField, string>>>
  readonly onChange: (form: RuleForm) => void
}

export function RuleFields({ form, isNew, problems, onChange }: RuleFieldsProps) {
  const text = (field: FormField, label: string, hint?: string, isFixed = false) => (
    <Field label={label} hint={hint} error={problems[field]}>
      <TextInput
        name={field}
        readOnly={isFixed}
        value={form[field]}
        onType={typed => onChange({ ...form, [field]: typed })}
      />
    </Field>
  )
  return (
    <>
      <div class="policy-two">
        {text('client', 'Client', isNew ? 'web, web/*, @backend or *' : undefined, !isNew)}
        {text('service', 'Service', isNew ? 'the same' : undefined, !isNew)}
      </div>
      <Field label="Effect">
        <Choice value={form.effect} options={EFFECTS} onChoose={effect => onChange({ ...form, effect })} />
      </Field>
      {form.effect === 'allow' && (
        <>
          <Field
            label="Claims"
            hint='one on each line, as role=reader, level:=3 or scopes:=["a","b"]'
            error={problems.claims}
          >
            <textarea
              class="input policy-claims"
              rows={2}
              spellcheck={false}
              value={form.claims}
              onInput={event => onChange({ ...form, claims: event.currentTarget.value })}
            />
          </Field>
          <div class="policy-two">
            {text('methods', 'Methods', 'as GET,HEAD; empty for all')}
            {text('paths', 'Paths', 'prefixes, as /a,/b; empty for all')}
          </div>
          <div class="policy-two">
            {text('maxLife', 'Longest ticket', "as 1h; empty for the realm's")}
            {text('rate', 'Rate for each client', 'as 600/m; empty for none')}
          </div>
        </>
      )}
      <div class="policy-two">
        {text('until', 'Ends', 'as 2027-01-31, or 7d from now; empty for never')}
        {form.effect === 'allow' && (
          <label class="policy-check">
            <input
              type="checkbox"
              checked={form.delegable}
              onChange={event => onChange({ ...form, delegable: event.currentTarget.checked })}
            />
            delegable: the client may hand such tickets to a named delegate
          </label>
        )}
      </div>
    </>
  )
}
