import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { type Failure, run } from './act.js'
import { Button } from './button.js'
import { Dialog } from './dialog.js'
import { FailureNotice } from './failure.js'
import { Field } from './field.js'
import { TextInput } from './inputs.js'

export interface ConfirmProps<T> {
  readonly title: string
  /** What happens to whom if it is done, in whole sentences. */
  readonly consequence: ComponentChildren
  /** Does it: one call of the person's own channel. */
  readonly act: () => Promise<T>
  /** What the button says: the verb, as `Revoke its tickets`. */
  readonly label: string
  readonly danger?: boolean
  readonly onDone: (value: T) => void
  readonly onCancel: () => void
  /** What has to be typed first, where it cannot be taken back. */
  readonly typeToConfirm?: string
}

/** Asks before something is done, does it once, and shows what failed. */
export function Confirm<T>({ title, consequence, act, label, danger = false, ...rest }: ConfirmProps<T>) {
  const { onDone, onCancel, typeToConfirm } = rest
  const isBusy = useSignal(false)
  const failure = useSignal<Failure | undefined>(undefined)
  const typed = useSignal('')
  const isAllowed = typeToConfirm === undefined || typed.value === typeToConfirm
  const confirm = async (): Promise<void> => {
    if (isBusy.value || !isAllowed) return
    isBusy.value = true
    failure.value = undefined
    const done = await run(act)
    isBusy.value = false
    if ('value' in done) onDone(done.value)
    else failure.value = done.failure
  }
  return (
    // Whether it was done is not known before it is answered, so nobody leaves meanwhile.
    <Dialog title={title} onCancel={() => isBusy.value || onCancel()}>
      <form
        onSubmit={event => {
          event.preventDefault()
          void confirm()
        }}
      >
        <div class="dialog-text">{consequence}</div>
        {typeToConfirm !== undefined && (
          <Field label={`To go on, type ${typeToConfirm}`}>
            <TextInput
              value={typed.value}
              onType={text => {
                typed.value = text
              }}
            />
          </Field>
        )}
        {failure.value !== undefined && <FailureNotice failure={failure.value} />}
        <div class="dialog-buttons">
          <Button onPress={onCancel} disabled={isBusy.value}>
            Cancel
          </Button>
          <Button submit kind={danger ? 'danger' : 'main'} busy={isBusy.value} disabled={!isAllowed}>
            {label}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
