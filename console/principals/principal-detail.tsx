import { useSignal } from '@preact/signals'
import type { DueKey } from '../../shared/administration/keys.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import { isReserved, type Principal } from '../../shared/principal.js'
import { formatDuration } from '../../shared/time.js'
import { linkTo } from '../app/route.js'
import { Age, Until } from '../parts/age.js'
import { Empty } from '../parts/empty.js'
import { FailureNotice } from '../parts/failure.js'
import { useLoaded } from '../parts/loaded.js'
import { Name } from '../parts/name.js'
import { acted } from '../realm/acted.js'
import { type Outcome, OutcomeNotice } from '../realm/outcome.js'
import { ownersOf, rulesAbout } from '../realm/rules-about.js'
import type { Session } from '../session/session.js'
import { Acts } from './acts.js'
import { readDetail } from './detail.js'
import { stateOf } from './filter.js'
import { GroupsPart } from './groups-part.js'
import { KeysPart } from './keys-part.js'
import { RulesPart } from './rules-part.js'
import { TicketsPart } from './tickets-part.js'
import { UsesPart } from './uses-part.js'

export interface PrincipalDetailProps {
  readonly session: Session
  readonly principal: Principal
  readonly isAdministrator: boolean
  readonly due: DueKey | undefined
}

export function PrincipalDetail({ session, principal, isAdministrator, due }: PrincipalDetailProps) {
  const { changed, realm } = session
  const { value, failure } = useLoaded(
    () => readDetail(session, principal),
    [changed.principals, changed.policy, acted],
    [session, principal],
  )
  const outcome = useSignal<Outcome | undefined>(undefined)
  const now = session.now()
  return (
    <article class="principals-one" aria-label={principal}>
      <header class="principals-head">
        <a href={linkTo('principals')}>← All principals</a>
        <h2>
          <Name name={principal} realm={realm} />
        </h2>
        {value !== undefined && stateOf(value.summary, now) !== 'enabled' && (
          <span class="badge badge-bad">{stateOf(value.summary, now)}</span>
        )}
      </header>
      {outcome.value !== undefined && <OutcomeNotice session={session} outcome={outcome.value} />}
      {failure !== undefined && <FailureNotice failure={failure} />}
      {value === undefined && failure === undefined && <Empty>Reading…</Empty>}
      {value !== undefined && (
        <>
          <Acts
            session={session}
            detail={value}
            isAdministrator={isAdministrator}
            onDone={done => (outcome.value = done)}
          />
          <Facts summary={value.summary} now={now} />
          <KeysPart detail={value} due={due} now={now} />
          {!isReserved(principal) && (
            <GroupsPart
              session={session}
              detail={value}
              mayChange={isAdministrator}
              onDone={done => (outcome.value = done)}
            />
          )}
          <RulesPart
            session={session}
            principal={principal}
            about={rulesAbout(principal, value.summary.groups, value.rules)}
            owners={ownersOf(realm, principal, value.summary.groups, value.rules)}
          />
          <TicketsPart
            session={session}
            principal={principal}
            revokedAt={value.party?.revokedAt ?? null}
            isAdministrator={isAdministrator}
            onDone={done => (outcome.value = done)}
          />
          <UsesPart session={session} principal={principal} />
        </>
      )}
    </article>
  )
}

function Facts({ summary, now }: { readonly summary: PrincipalSummary; readonly now: number }) {
  const { createdAt, changedAt, expiresAt, maxLife, maxRenew } = summary
  return (
    <dl class="facts">
      <dt>State</dt>
      <dd>
        {stateOf(summary, now)}
        {expiresAt !== null && (
          <>
            , ends <Until at={expiresAt} now={now} />
          </>
        )}
      </dd>
      <dt>Longest ticket</dt>
      <dd>{maxLife === null ? "the realm's" : formatDuration(maxLife)}</dd>
      <dt>Renewed for</dt>
      <dd>{maxRenew === null ? "the realm's" : formatDuration(maxRenew)}</dd>
      <dt>Created</dt>
      <dd>
        <Age at={createdAt} now={now} />, changed <Age at={changedAt} now={now} />
      </dd>
    </dl>
  )
}
