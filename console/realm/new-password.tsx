import { NEW_PASSWORD_MIN, newPasswordKey, requireLongPassword } from '../../client/login/new-password.js'
import type { PasswordKey } from '../../shared/administration/principals.js'
import type { Principal } from '../../shared/principal.js'
import { Field } from '../parts/field.js'

/** A new password, typed twice. */
export interface TypedPassword {
  readonly password: string
  readonly again: string
}

export const NO_PASSWORD: TypedPassword = { password: '', again: '' }

/** Makes the key of it here: the password itself goes nowhere. @throws TypeError if it is too short, or typed in two ways */
export async function passwordKeyOf(
  { password, again }: TypedPassword,
  principal: Principal,
): Promise<PasswordKey> {
  requireLongPassword(password, principal)
  if (password !== again) throw new TypeError('the two passwords differ')
  return newPasswordKey(password, principal)
}

export interface NewPasswordFieldsProps {
  readonly typed: TypedPassword
  readonly onChange: (typed: TypedPassword) => void
}

export function NewPasswordFields({ typed, onChange }: NewPasswordFieldsProps) {
  return (
    <>
      <Field
        label="New password"
        hint={`${NEW_PASSWORD_MIN} characters at least: length is its only defence`}
      >
        <input
          class="input"
          type="password"
          autocomplete="new-password"
          value={typed.password}
          onInput={event => onChange({ ...typed, password: event.currentTarget.value })}
        />
      </Field>
      <Field label="The same again">
        <input
          class="input"
          type="password"
          autocomplete="new-password"
          value={typed.again}
          onInput={event => onChange({ ...typed, again: event.currentTarget.value })}
        />
      </Field>
    </>
  )
}
