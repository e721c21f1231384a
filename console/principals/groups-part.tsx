import { useSignal } from '@preact/signals'
import { type Pattern, parseGroup } from '../../shared/pattern.js'
import { localPart } from '../../shared/principal.js'
import { Button } from '../parts/button.js'
import { Confirm } from '../parts/confirm.js'
import { Field } from '../parts/field.js'
import { TextInput } from '../parts/inputs.js'
import { Text } from '../parts/name.js'
import { tellActed } from '../realm/acted.js'
import type { Outcome } from '../realm/outcome.js'
import type { Session } from '../session/session.js'
import { moving } from './consequences.js'
import type { Detail } from './detail.js'

export interface GroupsPartProps {
  readonly session: Session
  readonly detail: Detail
  readonly mayChange: boolean
  readonly onDone: (outcome: Outcome) => void
}

export function GroupsPart({ session, detail, mayChange, onDone }: GroupsPartProps) {
  const { groups } = detail.summary
  const leaving = useSignal<Pattern | undefined>(undefined)
  const isJoining = useSignal(false)
  const done = (outcome: Outcome): void => {
    leaving.value = undefined
    isJoining.value = false
    tellActed()
    onDone(outcome)
  }
  return (
    <section class="section">
      <h3>Groups</h3>
      <p class="principals-chips">
        {groups.length === 0 && <span class="quiet">In none.</span>}
        {groups.map(group => (
          <span key={group}>
            <span class="badge">
              <Text text={group} />
            </span>{' '}
            {mayChange && (
              <Button onPress={() => (leaving.value = group)}>
                Take out<span class="unseen"> of {group}</span>
              </Button>
            )}
          </span>
        ))}
        {mayChange && <Button onPress={() => (isJoining.value = true)}>Put into a group…</Button>}
      </p>
      {leaving.value !== undefined && (
        <LeaveDialog
          session={session}
          detail={detail}
          group={leaving.value}
          onDone={done}
          onCancel={() => (leaving.value = undefined)}
        />
      )}
      {isJoining.value && (
        <JoinDialog
          session={session}
          detail={detail}
          onDone={done}
          onCancel={() => (isJoining.value = false)}
        />
      )}
    </section>
  )
}

interface MoveProps {
  readonly session: Session
  readonly detail: Detail
  readonly onDone: (outcome: Outcome) => void
  readonly onCancel: () => void
}

function LeaveDialog({ session, detail, group, ...rest }: MoveProps & { readonly group: Pattern }) {
  const { principal } = detail.summary
  const leave = async (): Promise<Outcome> => {
    const moved = await session.administration.groups.remove({ group, principals: [principal] })
    const name = localPart(principal)
    return { text: moved.length === 0 ? `${name} not in ${group}` : `${name} removed from ${group}` }
  }
  return (
    <Confirm
      title={`Take ${localPart(principal)} out of ${group}`}
      label="Take it out"
      danger
      act={leave}
      consequence={moving(group, false, detail.rules).map(text => <p key={text}>{text}</p>)}
      {...rest}
    />
  )
}

function JoinDialog({ session, detail, ...rest }: MoveProps) {
  const { principal } = detail.summary
  const typed = useSignal('')
  const join = async (): Promise<Outcome> => {
    const group = parseGroup(typed.value.trim())
    const moved = await session.administration.groups.add({ group, principals: [principal] })
    const said = moved.length === 0 ? 'already in' : 'added to'
    return { text: `${localPart(principal)} ${said} ${group}` }
  }
  const group = groupIn(typed.value)
  return (
    <Confirm
      title={`Put ${localPart(principal)} into a group`}
      label="Put it in"
      act={join}
      consequence={
        <>
          <Field label="Group" hint="as backend; it is there for as long as somebody is in it">
            <TextInput
              value={typed.value}
              onType={text => {
                typed.value = text
              }}
            />
          </Field>
          <div role="status">
            {group !== undefined && moving(group, true, detail.rules).map(text => <p key={text}>{text}</p>)}
          </div>
        </>
      }
      {...rest}
    />
  )
}

function groupIn(text: string): Pattern | undefined {
  try {
    return parseGroup(text.trim())
  } catch {
    return undefined
  }
}
