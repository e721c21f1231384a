import { useSignal } from '@preact/signals'
import { formatJoinCode } from '../../shared/keytab/join-code.js'
import { isOfThisMachine } from '../../shared/keytab/kdc-line.js'
import { localPart } from '../../shared/principal.js'
import { Until } from '../parts/age.js'
import { Button } from '../parts/button.js'
import { Confirm } from '../parts/confirm.js'
import { CopyButton } from '../parts/copy-button.js'
import { Dialog } from '../parts/dialog.js'
import { Field } from '../parts/field.js'
import { TextInput } from '../parts/inputs.js'
import { Text } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import { tellActed } from '../realm/acted.js'
import { counted } from '../realm/words.js'
import { kdcUrl } from '../session/login.js'
import type { Session } from '../session/session.js'
import { type InvitationForm, wantedInvitation } from './wanted.js'

export interface InviteDialogProps {
  readonly session: Session
  /** Whom it is for, if that is known. */
  readonly name?: string
  readonly onClose: () => void
}

interface Made {
  readonly code: string
  readonly invitation: string
  readonly target: string
  readonly uses: number
  readonly endsAt: number
  readonly kdc: readonly string[]
}

/** Makes an invitation, and shows its code once. */
export function InviteDialog({ session, name = '', onClose }: InviteDialogProps) {
  const made = useSignal<Made | undefined>(undefined)
  const form = useSignal<InvitationForm>({
    name,
    expires: '10m',
    uses: '1',
    principalsExpire: '',
    kdc: kdcUrl(location),
  })
  if (made.value !== undefined) return <CodeDialog made={made.value} now={session.now()} onClose={onClose} />
  const invite = async (): Promise<Made> => {
    const { wanted, kdc } = wantedInvitation(form.value, session.realm, session.now())
    const { invitation, endsAt } = await session.administration.invitations.make(wanted)
    const { target, uses } = wanted
    return {
      code: formatJoinCode({ invitation, endsAt, kdc }),
      invitation: localPart(invitation.principal),
      target,
      uses,
      endsAt,
      kdc,
    }
  }
  return (
    <Confirm
      title="Invite a host"
      label="Make the code"
      act={invite}
      onDone={done => {
        tellActed()
        made.value = done
      }}
      onCancel={onClose}
      consequence={<InviteFields form={form.value} onChange={changed => (form.value = changed)} />}
    />
  )
}

interface InviteFieldsProps {
  readonly form: InvitationForm
  readonly onChange: (form: InvitationForm) => void
}

function InviteFields({ form, onChange }: InviteFieldsProps) {
  const isFleet = form.name.includes('*')
  const input = (key: keyof InvitationForm) => (
    <TextInput name={key} value={form[key]} onType={text => onChange({ ...form, [key]: text })} />
  )
  return (
    <>
      <Field
        label="Name"
        hint="what the host becomes: web, or worker/* for an instance on each host of a fleet"
      >
        {input('name')}
      </Field>
      <Field label="Good for" hint="as 10m; whoever has the code until then has the key">
        {input('expires')}
      </Field>
      {isFleet && <Field label="Hosts">{input('uses')}</Field>}
      {isFleet && (
        <Field label="Its principals exist for" hint="as 2d; empty for no end">
          {input('principalsExpire')}
        </Field>
      )}
      <Field label="KDC" hint="where the new host finds it">
        {input('kdc')}
      </Field>
      {isOfThisMachine(form.kdc) && (
        <Notice kind="warn">
          The code names a KDC of this machine: for another host write the address that it has there.
        </Notice>
      )}
    </>
  )
}

interface CodeDialogProps {
  readonly made: Made
  readonly now: number
  readonly onClose: () => void
}

function CodeDialog({ made, now, onClose }: CodeDialogProps) {
  const command = `orthrus join ${made.code}`
  return (
    <Dialog title="The code, shown once" onCancel={() => {}}>
      <div class="dialog-text">
        <p>
          <Text text={made.invitation} /> is for {made.uses === 1 ? 'one host' : counted(made.uses, 'host')}{' '}
          as <Text text={made.target} />, and ends <Until at={made.endsAt} now={now} />. Whoever has the code
          has the key.
        </p>
        <p>On the new host, type:</p>
        <textarea
          class="input invite-code"
          readOnly
          rows={8}
          aria-label="What the new host types"
          value={command}
        />
        <p>It writes the keytab of the host, and the code is of no use to anybody else then.</p>
      </div>
      <div class="dialog-buttons">
        <CopyButton text={made.code} label="Copy the code" />
        <CopyButton text={command} label="Copy the command" />
        <Button onPress={onClose}>I have it: forget it here</Button>
      </div>
    </Dialog>
  )
}
