import './health.css'
import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { MINUTE, SECOND, systemClock } from '../../shared/time.js'
import { runEvery, systemTimers } from '../../shared/timers.js'
import { Button } from '../parts/button.js'
import { timeWords } from '../parts/words.js'
import type { Session, ViewProps } from '../session/session.js'
import { UnseenNotice } from '../session/unseen-notice.js'
import {
  auditFinding,
  clockFinding,
  dueFinding,
  type Finding,
  followersFindings,
  invitationsFinding,
  ownKeyFinding,
} from './findings.js'
import { Findings } from './findings-list.js'
import { FollowerTable } from './follower-table.js'
import { type Answer, HealthModel } from './health-model.js'
import { noteFindings } from './kdc-notes.js'
import { NoteList } from './note-list.js'
import { RealmFacts } from './realm-facts.js'

/** How often the KDC is asked what costs it little, and what costs it more. */
const PACE = 5 * SECOND
const CLOSE_PACE = MINUTE

/** The health of the KDC behind this page, of its followers and of the keys of its realm. */
export function HealthView({ session }: ViewProps) {
  const model = useMemo(() => new HealthModel(session), [session])
  const isLooking = useSignal(false)
  const { changed } = session
  const moved = `${changed.realm.value} ${changed.principals.value} ${changed.invitations.value}`
  const lookAgain = async (): Promise<void> => {
    isLooking.value = true
    await Promise.all([model.look(), model.lookCloser()])
    isLooking.value = false
  }
  useEffect(() => {
    const ends = [
      runEvery(systemTimers, PACE, () => void model.look()),
      runEvery(systemTimers, CLOSE_PACE, () => void model.lookCloser()),
      () => model.end(),
    ]
    return () => {
      for (const end of ends) end()
    }
  }, [model])
  useEffect(() => void lookAgain(), [model, moved])
  const now = session.now()
  const realm = answered(model.realm.value)
  const followers = answered(model.followers.value)
  return (
    <div class="health">
      <div class="health-bar">
        <span class="health-quiet">KDC time {timeWords(now)} UTC</span>
        <Button busy={isLooking.value} onPress={() => void lookAgain()}>
          Look again
        </Button>
      </div>
      <UnseenNotice lines={model.lines} />
      <Findings findings={findingsOf(session, model)} />
      {followers !== undefined && followers.rows.length > 0 && (
        <FollowerTable followers={followers} realm={session.realm} />
      )}
      {realm !== undefined && <RealmFacts realm={realm} />}
      <NoteList notes={answered(model.notes.value) ?? []} now={now} realm={session.realm} />
      <p class="health-quiet">
        A client is not told whether the KDC's disk has room, its master key is in its place or its database
        is sound, how old the master key is, or which version it runs: ask <code>/readyz</code> and{' '}
        <code>/metrics</code> on its machine (orthrus kdc --metrics), and <code>orthrus doctor</code> where a
        service runs.
      </p>
    </div>
  )
}

function answered<T>(answer: Answer<T>): T | undefined {
  return answer !== undefined && 'value' in answer ? answer.value : undefined
}

/** What is found out so far. What the KDC did not answer is a finding too. */
function findingsOf(session: Session, model: HealthModel): Finding[] {
  const now = session.now()
  const realm = answered(model.realm.value)
  const findings = [
    connectionFinding(session),
    clockFinding(now - systemClock.now()),
    auditFinding(session.live.state.value, model.last.value, now),
    ...told('followers', model.followers.value, value => followersFindings(value, realm?.survive ?? null)),
    ...told('keys', model.due.value, value => [dueFinding(value, now)]),
    ...told('keys', model.ownKeys.value, keys =>
      realm === undefined ? [] : keys.map(key => ownKeyFinding(key, realm.rotation, now)),
    ),
    ...told('invitations', model.openInvitations.value, value => [invitationsFinding(value)]),
    ...told('KDC', model.notes.value, value => noteFindings(value, now)),
  ]
  return findings
}

function connectionFinding({ link }: Session): Finding {
  const { protocol, host } = location
  if (link.value === 'lost')
    return {
      name: 'KDC',
      state: 'wrong',
      text: `${host} does not answer`,
      next: 'systemctl status orthrus-kdc on its machine',
    }
  const how = protocol === 'https:' ? 'over TLS' : 'without TLS, as on its own machine'
  return { name: 'KDC', state: 'ok', text: `${host} answers, ${how}` }
}

function told<T>(
  name: string,
  answer: Answer<T>,
  find: (value: T) => readonly Finding[],
): readonly Finding[] {
  if (answer === undefined) return []
  if ('value' in answer) return find(answer.value)
  const { message, hint } = answer.failure
  return [{ name, state: 'wrong', text: message, ...(hint === undefined ? {} : { next: hint }) }]
}
