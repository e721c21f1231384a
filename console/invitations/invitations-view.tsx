import { useSignal } from '@preact/signals'
import type { InvitationSummary } from '../../shared/administration/invitations.js'
import { localPart, type Principal } from '../../shared/principal.js'
import { Age, Until } from '../parts/age.js'
import { Button } from '../parts/button.js'
import { Confirm } from '../parts/confirm.js'
import { Empty } from '../parts/empty.js'
import { FailureNotice } from '../parts/failure.js'
import { useLoaded } from '../parts/loaded.js'
import { Name, Text } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import { ScrollPlace } from '../parts/scroll-place.js'
import { acted, tellActed } from '../realm/acted.js'
import { counted } from '../realm/words.js'
import type { Session, ViewProps } from '../session/session.js'
import { InviteDialog } from './invite-dialog.js'
import './invitations.css'
import { stateOfInvitation } from './state.js'

/** Open ones first, then the newest. */
async function readInvitations({ administration }: Session): Promise<readonly InvitationSummary[]> {
  const found: InvitationSummary[] = []
  for await (const each of administration.invitations.list()) found.push(each)
  return found
}

export function InvitationsView({ session }: ViewProps) {
  const { changed } = session
  const { value, failure } = useLoaded(
    () => readInvitations(session),
    [changed.invitations, acted],
    [session],
  )
  const isInviting = useSignal(false)
  const withdrawing = useSignal<Principal | undefined>(undefined)
  const done = useSignal<string | undefined>(undefined)
  const now = session.now()
  const isOpen = (each: InvitationSummary): boolean => stateOfInvitation(each, now) === 'open'
  const open = (value ?? []).filter(isOpen)
  const over = (value ?? []).filter(each => !isOpen(each)).sort((a, b) => b.createdAt - a.createdAt)
  return (
    <>
      <div class="bar">
        <p class="bar-text">An invitation brings a new host its key: a code that it joins with.</p>
        <Button
          kind="main"
          onPress={() => {
            done.value = undefined
            isInviting.value = true
          }}
        >
          Invite a host
        </Button>
      </div>
      {failure !== undefined && <FailureNotice failure={failure} />}
      {done.value !== undefined && (
        <Notice kind="good">
          <Text text={done.value} />
        </Notice>
      )}
      {value !== undefined && (
        <>
          <InvitationTable
            title="Open"
            rows={open}
            session={session}
            empty="None is open."
            onWithdraw={name => {
              done.value = undefined
              withdrawing.value = name
            }}
          />
          <InvitationTable
            title="Used and ended"
            rows={over}
            session={session}
            empty="None ended in the last day. They are kept for a day after their end."
          />
        </>
      )}
      {isInviting.value && <InviteDialog session={session} onClose={() => (isInviting.value = false)} />}
      {withdrawing.value !== undefined && (
        <Withdraw
          session={session}
          invitation={withdrawing.value}
          summary={value?.find(each => each.invitation === withdrawing.value)}
          onClose={text => {
            withdrawing.value = undefined
            done.value = text
          }}
        />
      )}
    </>
  )
}

interface WithdrawProps {
  readonly session: Session
  readonly invitation: Principal
  readonly summary: InvitationSummary | undefined
  readonly onClose: (done: string | undefined) => void
}

function Withdraw({ session, invitation, summary, onClose }: WithdrawProps) {
  const left = summary === undefined ? 0 : summary.uses - summary.used
  const used = summary?.used ?? 0
  return (
    <Confirm
      title={`Withdraw ${localPart(invitation)}`}
      label="Withdraw it"
      danger
      act={() => session.administration.invitations.withdraw(invitation)}
      onDone={() => {
        tellActed()
        onClose(`withdrew ${localPart(invitation)}: nobody can join with it any more`)
      }}
      onCancel={() => onClose(undefined)}
      consequence={
        <>
          <p>
            Nobody can join with its code any more: {counted(left, 'host')} could still have. It cannot be
            taken back.
          </p>
          <p>
            {used === 0
              ? 'No host has joined with it.'
              : `${counted(used, 'host')} that joined with it ${used === 1 ? 'stays' : 'stay'}: revoke or remove what you do not know.`}
          </p>
        </>
      }
    />
  )
}

interface InvitationTableProps {
  readonly title: string
  readonly rows: readonly InvitationSummary[]
  readonly session: Session
  readonly empty: string
  readonly onWithdraw?: (invitation: Principal) => void
}

function InvitationTable({ title, rows, session, empty, onWithdraw }: InvitationTableProps) {
  if (rows.length === 0) {
    return (
      <section>
        <h2>{title}</h2>
        <Empty>{empty}</Empty>
      </section>
    )
  }
  const now = session.now()
  return (
    <section>
      <h2>{title}</h2>
      <ScrollPlace label={title}>
        <table class="table">
          <thead>
            <tr>
              <th scope="col">For</th>
              <th scope="col">Used</th>
              <th scope="col">State</th>
              {onWithdraw !== undefined && (
                <th scope="col">
                  <span class="unseen">Act</span>
                </th>
              )}
              <th scope="col">Last use</th>
              <th scope="col">Invitation</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(row => (
              <tr key={row.invitation}>
                <th scope="row">
                  <Name name={row.target} realm={session.realm} />
                </th>
                <td>
                  {row.used} of {row.uses}
                  {row.staged > 0 && `, ${row.staged} begun`}
                </td>
                <td>
                  <State row={row} now={now} />
                </td>
                {onWithdraw !== undefined && (
                  <td>
                    <Button onPress={() => onWithdraw(row.invitation)}>
                      Withdraw<span class="unseen"> {localPart(row.invitation)}</span>
                    </Button>
                  </td>
                )}
                <td>
                  {row.lastUsedAt === null ? (
                    'never'
                  ) : (
                    <>
                      <Age at={row.lastUsedAt} now={now} /> from <Text text={row.lastUsedFrom ?? ''} />
                    </>
                  )}
                </td>
                <td>
                  <Name name={row.invitation} realm={session.realm} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollPlace>
    </section>
  )
}

function State({ row, now }: { readonly row: InvitationSummary; readonly now: number }) {
  const state = stateOfInvitation(row, now)
  if (state === 'open') {
    return (
      <>
        ends <Until at={row.endsAt} now={now} />
      </>
    )
  }
  return state === 'ended' ? (
    <>
      ended <Age at={row.endsAt} now={now} />
    </>
  ) : (
    state
  )
}
