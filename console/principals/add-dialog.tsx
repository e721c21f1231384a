import { useSignal } from '@preact/signals'
import { readDuration, readInstant } from '../../shared/administration/policy-text.js'
import type { PrincipalLimits } from '../../shared/administration/principals.js'
import { OrthrusError } from '../../shared/errors.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { localPart, type Principal, principalIn } from '../../shared/principal.js'
import { goTo } from '../app/route.js'
import { announce } from '../parts/announce.js'
import { Confirm } from '../parts/confirm.js'
import { Field } from '../parts/field.js'
import { Choice, TextInput } from '../parts/inputs.js'
import { tellActed } from '../realm/acted.js'
import { keytabFile } from '../realm/keytab-file.js'
import { NewPasswordFields, NO_PASSWORD, passwordKeyOf, type TypedPassword } from '../realm/new-password.js'
import { SecretFileOffer } from '../realm/secret-file.js'
import type { Session } from '../session/session.js'

interface AddForm extends TypedPassword {
  readonly name: string
  readonly kind: 'service' | 'person'
  readonly expires: string
  readonly maxLife: string
  readonly maxRenew: string
}

const EMPTY: AddForm = { ...NO_PASSWORD, name: '', kind: 'service', expires: '', maxLife: '', maxRenew: '' }

function limitsIn({ expires, maxLife, maxRenew }: AddForm): PrincipalLimits {
  const read = <T,>(text: string, reading: (text: string) => T): T | null =>
    text.trim() === '' ? null : reading(text.trim())
  return {
    expiresAt: read(expires, readInstant),
    maxLife: read(maxLife, readDuration),
    maxRenew: read(maxRenew, readDuration),
  }
}

interface Added {
  readonly principal: Principal
  readonly entry: KeytabEntry | undefined
}

async function add({ administration, realm }: Session, form: AddForm): Promise<Added> {
  const principal = principalIn(realm, form.name.trim())
  const limits = limitsIn(form)
  if (form.kind === 'person') {
    await administration.add({ principal, password: await passwordKeyOf(form, principal), ...limits })
    return { principal, entry: undefined }
  }
  const { kvno, key } = await administration.add({ principal, password: null, ...limits })
  if (key === null) throw new OrthrusError('malformed', 'the KDC returned no key', { principal })
  return { principal, entry: { principal, kvno, key } }
}

export function AddDialog({ session, onClose }: { readonly session: Session; readonly onClose: () => void }) {
  const form = useSignal(EMPTY)
  const added = useSignal<Added | undefined>(undefined)
  const finish = (principal: Principal): void => {
    announce(`Added ${localPart(principal)}`)
    onClose()
    goTo('principals', principal)
  }
  if (added.value?.entry !== undefined) {
    const { principal, entry } = added.value
    return (
      <SecretFileOffer
        title={`The keytab of ${localPart(principal)}`}
        file={keytabFile(entry)}
        consequence={[
          `${localPart(principal)} is registered. Save its keytab and carry it to its host over a way that nobody else reads.`,
          'It is offered once: what is not saved is lost, and the key must be replaced.',
        ]}
        onClose={() => finish(principal)}
      />
    )
  }
  return (
    <Confirm
      title="Add a principal"
      label={form.value.kind === 'person' ? 'Add the person' : 'Add it'}
      act={() => add(session, form.value)}
      onDone={done => {
        tellActed()
        if (done.entry === undefined) finish(done.principal)
        else added.value = done
      }}
      onCancel={onClose}
      consequence={<AddFields form={form.value} onChange={changed => (form.value = changed)} />}
    />
  )
}

const WHAT = [
  ['service', 'a program, with a key in a keytab'],
  ['person', 'a person, with a password'],
] as const

interface AddFieldsProps {
  readonly form: AddForm
  readonly onChange: (form: AddForm) => void
}

function AddFields({ form, onChange }: AddFieldsProps) {
  const input = (key: 'name' | 'expires' | 'maxLife' | 'maxRenew') => (
    <TextInput name={key} value={form[key]} onType={text => onChange({ ...form, [key]: text })} />
  )
  return (
    <>
      <Field label="Name" hint="as orders, or web/1 for an instance">
        {input('name')}
      </Field>
      <Field label="Kind">
        <Choice value={form.kind} options={WHAT} onChoose={kind => onChange({ ...form, kind })} />
      </Field>
      {form.kind === 'person' && (
        <NewPasswordFields typed={form} onChange={typed => onChange({ ...form, ...typed })} />
      )}
      <p>
        {form.kind === 'person'
          ? 'The key is made from the password on this page, which takes a second; the KDC never sees the password.'
          : 'The KDC draws a key, which is offered as a keytab, once. It gets tickets for what rules allow, and so far for nothing.'}
      </p>
      <details>
        <summary>Limits</summary>
        <div class="section">
          <Field label="No tickets from then on" hint="as 2027-01-31; empty for never">
            {input('expires')}
          </Field>
          <Field label="Longest ticket" hint="as 1h; empty for the realm's">
            {input('maxLife')}
          </Field>
          <Field label="TGTs are renewed for" hint="as 7d; empty for the realm's">
            {input('maxRenew')}
          </Field>
        </div>
      </details>
    </>
  )
}
