import { useSignal } from '@preact/signals'
import { type Failure, failureOf } from '../parts/act.js'
import { Button } from '../parts/button.js'
import { FailureNotice } from '../parts/failure.js'
import { Field } from '../parts/field.js'
import type { ConsoleSession } from '../session/console-session.js'
import { logIn } from '../session/login.js'

export interface LoginFormProps {
  /** Whose password is asked for; otherwise the name too. */
  readonly name?: string
  readonly onDone: (session: ConsoleSession) => void
}

export function LoginForm({ name, onDone }: LoginFormProps) {
  const isBusy = useSignal(false)
  const failure = useSignal<Failure | undefined>(undefined)
  const submit = async (form: HTMLFormElement): Promise<void> => {
    if (isBusy.value) return
    const entries = new FormData(form)
    const text = (field: string): string => String(entries.get(field) ?? '')
    isBusy.value = true
    failure.value = undefined
    try {
      const session = await logIn({ principal: name ?? text('name'), password: text('password') })
      form.reset()
      onDone(session)
    } catch (cause) {
      failure.value = failureOf(cause)
    } finally {
      isBusy.value = false
    }
  }
  return (
    <form
      class="login"
      onSubmit={event => {
        event.preventDefault()
        void submit(event.currentTarget)
      }}
    >
      {name === undefined && (
        <Field label="Name" hint="as ann@demo.example">
          <input
            class="input"
            name="name"
            autocomplete="username"
            spellcheck={false}
            autocapitalize="none"
            required
          />
        </Field>
      )}
      <Field label="Password">
        <input class="input" name="password" type="password" autocomplete="current-password" required />
      </Field>
      {failure.value !== undefined && <FailureNotice failure={failure.value} />}
      <Button submit kind="main" busy={isBusy.value}>
        {isBusy.value ? 'Logging in…' : 'Log in'}
      </Button>
    </form>
  )
}
