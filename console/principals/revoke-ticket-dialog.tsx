import { useSignal } from '@preact/signals'
import { localPart, type Principal } from '../../shared/principal.js'
import { Confirm } from '../parts/confirm.js'
import { Field } from '../parts/field.js'
import { TextInput } from '../parts/inputs.js'
import { tellActed } from '../realm/acted.js'
import type { Outcome } from '../realm/outcome.js'
import type { Session } from '../session/session.js'
import { ticketIdIn } from './ticket-id.js'

export interface RevokeTicketDialogProps {
  readonly session: Session
  readonly principal: Principal
  /** What stands in the form first. */
  readonly id: string
  readonly onDone: (outcome: Outcome) => void
  readonly onCancel: () => void
}

export function RevokeTicketDialog({ session, principal, id, onDone, onCancel }: RevokeTicketDialogProps) {
  const typed = useSignal(id)
  const revoke = async (): Promise<Outcome> => {
    const ticketId = ticketIdIn(typed.value)
    const seq = await session.administration.revocations.ticket({ ticketId, principal })
    return {
      text: `revoked ticket ${typed.value.trim()}`,
      // The ticket may be the one that its client follows with.
      revocation: { seq, principals: [principal] },
      aside:
        'if it is a TGT, what was granted under it stays good; to end all, revoke the tickets of the client',
    }
  }
  return (
    <Confirm
      title={`Revoke one ticket of ${localPart(principal)}`}
      label="Revoke this ticket"
      danger
      act={revoke}
      onDone={outcome => {
        tellActed()
        onDone(outcome)
      }}
      onCancel={onCancel}
      consequence={
        <>
          <p>
            This one ticket ends. If it is a TGT, what was granted under it stays good. Services that follow
            the KDC refuse it within milliseconds; others accept it to its end.
          </p>
          <Field
            label="Id of the ticket"
            hint="32 hexadecimal digits, as the logs of the KDC and of services have it"
          >
            <TextInput
              class="principals-id"
              value={typed.value}
              onType={text => {
                typed.value = text
              }}
            />
          </Field>
        </>
      }
    />
  )
}
