import { useSignal } from '@preact/signals'
import { localPart } from '../../shared/principal.js'
import { Confirm } from '../parts/confirm.js'
import { NewPasswordFields, NO_PASSWORD, passwordKeyOf } from '../realm/new-password.js'
import type { Session } from '../session/session.js'
import type { Done } from './act-list.js'
import { resettingPassword, type Standing } from './consequences.js'

export interface ResetPasswordDialogProps {
  readonly session: Session
  readonly standing: Standing
  readonly onDone: (done: Done) => void
  readonly onCancel: () => void
}

export function ResetPasswordDialog({ session, standing, onDone, onCancel }: ResetPasswordDialogProps) {
  const typed = useSignal(NO_PASSWORD)
  const { principal } = standing.summary
  const reset = async (): Promise<Done> => {
    const password = await passwordKeyOf(typed.value, principal)
    const { seq } = await session.administration.keys.resetPassword({ principal, password })
    return {
      text: `set the password of ${principal}, whose sessions have ended`,
      revocation: { seq, principals: [principal] },
    }
  }
  return (
    <Confirm
      title={`Reset the password of ${localPart(principal)}`}
      label="Set the password"
      danger
      act={reset}
      onDone={onDone}
      onCancel={onCancel}
      consequence={
        <>
          {resettingPassword(standing).map(text => (
            <p key={text}>{text}</p>
          ))}
          <NewPasswordFields typed={typed.value} onChange={changed => (typed.value = changed)} />
        </>
      }
    />
  )
}
