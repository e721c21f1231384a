import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Failure } from '../parts/act.js'
import { Button } from '../parts/button.js'
import { FailureNotice } from '../parts/failure.js'
import { Field } from '../parts/field.js'
import { failedLogin } from '../session/failures.js'
import { type LoggedIn, realmOfPage } from '../session/login.js'
import { logins } from './who.js'

export interface LoginFormProps {
  /** Whose password is asked for; otherwise the name too. */
  readonly name?: string
  readonly onDone: (login: LoggedIn) => void
  /** Whether typing goes here at once. */
  readonly takesFocus?: boolean
}

export function LoginForm({ name, onDone, takesFocus = false }: LoginFormProps) {
  const place = useRef<HTMLFormElement>(null)
  useEffect(() => {
    if (takesFocus) place.current?.querySelector('input')?.focus()
  }, [])
  const isBusy = useSignal(false)
  const done = useSignal(0)
  const failure = useSignal<Failure | undefined>(undefined)
  const submit = async (form: HTMLFormElement): Promise<void> => {
    if (isBusy.value) return
    const entries = new FormData(form)
    const text = (field: string): string => String(entries.get(field) ?? '')
    isBusy.value = true
    done.value = 0
    failure.value = undefined
    try {
      const login = await logins.logIn(
        { principal: name ?? text('name').trim(), password: text('password') },
        part => {
          done.value = part
        },
      )
      form.reset()
      onDone(login)
    } catch (cause) {
      failure.value = failedLogin(cause)
    } finally {
      isBusy.value = false
    }
  }
  return (
    <form
      ref={place}
      class="login"
      onSubmit={event => {
        event.preventDefault()
        void submit(event.currentTarget)
      }}
    >
      {name === undefined && (
        <Field label="Name" hint={`in ${realmOfPage()}, as ann`}>
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
      <div class="login-progress" aria-live="polite">
        {isBusy.value && (
          <>
            <label for="login-progress">
              The key is worked out from the password: much of a second, on purpose.
            </label>
            <progress id="login-progress" max={1} value={done.value} />
          </>
        )}
      </div>
    </form>
  )
}
