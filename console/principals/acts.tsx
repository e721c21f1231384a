import { useSignal } from '@preact/signals'
import { isReserved, localPart } from '../../shared/principal.js'
import { InviteDialog } from '../invitations/invite-dialog.js'
import { Button } from '../parts/button.js'
import { Confirm } from '../parts/confirm.js'
import { useLoaded } from '../parts/loaded.js'
import { tellActed } from '../realm/acted.js'
import { keytabFile } from '../realm/keytab-file.js'
import type { Outcome } from '../realm/outcome.js'
import { rulesAbout } from '../realm/rules-about.js'
import { type SecretFile, SecretFileOffer } from '../realm/secret-file.js'
import type { Session } from '../session/session.js'
import { ACTS, type Act, type ActName, type Done } from './act-list.js'
import { reachOf, type Standing } from './consequences.js'
import type { Detail } from './detail.js'
import { ResetPasswordDialog } from './reset-password-dialog.js'

export interface ActsProps {
  readonly session: Session
  readonly detail: Detail
  readonly isAdministrator: boolean
  readonly onDone: (outcome: Outcome) => void
}

type Open = ActName | 'invite' | 'reset-password'

/** What can be done about a principal. Each asks first, and says what it costs whom. */
export function Acts({ session, detail, isAdministrator, onDone }: ActsProps) {
  const open = useSignal<Open | undefined>(undefined)
  const file = useSignal<SecretFile | undefined>(undefined)
  const { summary } = detail
  const close = (): void => {
    open.value = undefined
  }
  const finish = ({ keytab, ...outcome }: Done): void => {
    close()
    tellActed()
    onDone(outcome)
    if (keytab !== undefined) file.value = keytabFile(keytab)
  }
  const shown = (Object.keys(ACTS) as ActName[]).filter(name => {
    const act: Act = ACTS[name]
    return (isAdministrator || act.ofOwners) && act.fits(summary)
  })
  const mayHaveKey = !isReserved(summary.principal) && !summary.passwordBased
  return (
    <>
      <div class="buttons">
        {shown.map(name => (
          <Button key={name} onPress={() => (open.value = name)}>
            {ACTS[name].button}
          </Button>
        ))}
        {mayHaveKey && <Button onPress={() => (open.value = 'invite')}>Invite…</Button>}
        {isAdministrator && summary.passwordBased && (
          <Button onPress={() => (open.value = 'reset-password')}>Reset the password…</Button>
        )}
      </div>
      {open.value === 'invite' && (
        <InviteDialog session={session} name={localPart(summary.principal)} onClose={close} />
      )}
      {open.value === 'reset-password' && (
        <WithStanding session={session} detail={detail} isAdministrator={isAdministrator}>
          {standing => (
            <ResetPasswordDialog session={session} standing={standing} onDone={finish} onCancel={close} />
          )}
        </WithStanding>
      )}
      {open.value !== undefined && open.value !== 'invite' && open.value !== 'reset-password' && (
        <ActDialog
          name={open.value}
          session={session}
          detail={detail}
          isAdministrator={isAdministrator}
          onDone={finish}
          onCancel={close}
        />
      )}
      {file.value !== undefined && (
        <SecretFileOffer
          title={`The new keytab of ${localPart(summary.principal)}`}
          file={file.value}
          consequence={[
            'This is the only key that it has now. Save the file, carry it to its host over a way that nobody else reads, put it in the place of the old one and restart the program.',
            'It is offered once: what is not saved is lost, and the key must be replaced again.',
          ]}
          onClose={() => (file.value = undefined)}
        />
      )}
    </>
  )
}

interface ActDialogProps {
  readonly name: ActName
  readonly session: Session
  readonly detail: Detail
  readonly isAdministrator: boolean
  readonly onDone: (done: Done) => void
  readonly onCancel: () => void
}

function ActDialog({ name, session, detail, isAdministrator, onDone, onCancel }: ActDialogProps) {
  const act: Act = ACTS[name]
  const { principal } = detail.summary
  return (
    <WithStanding session={session} detail={detail} isAdministrator={isAdministrator}>
      {standing => (
        <Confirm
          title={act.title(localPart(principal))}
          label={act.label}
          danger={act.danger}
          {...(act.isFinal ? { typeToConfirm: localPart(principal) } : {})}
          act={() => act.run(session.administration, principal)}
          onDone={onDone}
          onCancel={onCancel}
          consequence={act.consequence(standing).map(text => <p key={text}>{text}</p>)}
        />
      )}
    </WithStanding>
  )
}

interface WithStandingProps {
  readonly session: Session
  readonly detail: Detail
  readonly isAdministrator: boolean
  readonly children: (standing: Standing) => preact.ComponentChildren
}

/** Asks who follows before it asks the person: an owner is not told, and decides without. */
function WithStanding({ session, detail, isAdministrator, children }: WithStandingProps) {
  const { summary, rules } = detail
  const { principal, groups } = summary
  const { value, failure } = useLoaded(
    async () => {
      const { revocations, settings } = session.administration
      const followers = await revocations.followers({ seq: 0, wait: 0 })
      return reachOf(followers, (await settings.show()).maxServiceLife, principal)
    },
    [],
    [session, principal],
  )
  if (isAdministrator && value === undefined && failure === undefined) return null
  const { asClient, asService, byName } = rulesAbout(principal, groups, rules)
  return (
    <>
      {children({
        summary,
        isMe: principal === session.me,
        asClient: asClient.length,
        asService: asService.length,
        byName,
        reach: value,
      })}
    </>
  )
}
