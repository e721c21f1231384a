import { useSignal } from '@preact/signals'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { DAY } from '../../shared/time.js'
import { Age, Until } from '../parts/age.js'
import { Button } from '../parts/button.js'
import { FailureNotice } from '../parts/failure.js'
import { useLoaded } from '../parts/loaded.js'
import { Text } from '../parts/name.js'
import { ScrollPlace } from '../parts/scroll-place.js'
import type { Outcome } from '../realm/outcome.js'
import type { Session } from '../session/session.js'
import { type Login, loginsIn } from './logins.js'
import { RevokeTicketDialog } from './revoke-ticket-dialog.js'

/** How far back logins are looked for, milliseconds, and how many lines are read at most. */
const BACK = DAY
const LINES = 5_000

async function readLogins(
  session: Session,
  principal: Principal,
  revokedAt: number | null,
): Promise<readonly Login[]> {
  const filter = {
    client: principal as string as Pattern,
    service: null,
    outcome: 'granted' as const,
    since: session.now() - BACK,
  }
  const lines: AuditLine[] = []
  for await (const { line } of session.administration.audit.lines(filter)) {
    lines.push(line)
    if (lines.length === LINES) break
  }
  return loginsIn(lines, session.now(), revokedAt)
}

export interface TicketsPartProps {
  readonly session: Session
  readonly principal: Principal
  /** When its tickets of that time were revoked, milliseconds. */
  readonly revokedAt: number | null
  readonly isAdministrator: boolean
  readonly onDone: (outcome: Outcome) => void
}

/** The TGTs that it has, and what was granted under them. */
export function TicketsPart({ session, principal, revokedAt, isAdministrator, onDone }: TicketsPartProps) {
  const { value, failure } = useLoaded(
    () => readLogins(session, principal, revokedAt),
    [session.changed.principals],
    [session, principal, revokedAt],
  )
  const revoking = useSignal<string | undefined>(undefined)
  const now = session.now()
  return (
    <section class="section">
      <h3>TGTs of the last day</h3>
      {failure !== undefined && <FailureNotice failure={failure} />}
      {value === undefined && failure === undefined && <p class="quiet">Reading the audit log…</p>}
      {value?.length === 0 && <p class="quiet">None that is still good.</p>}
      {value !== undefined && value.length > 0 && (
        <ScrollPlace label="TGTs">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Granted</th>
                <th scope="col">From</th>
                <th scope="col">Ends</th>
                <th scope="col">Tickets under it</th>
                <th scope="col">Id</th>
              </tr>
            </thead>
            <tbody>
              {value.map(login => (
                <tr key={login.ticket}>
                  <td>
                    <Age at={login.at} now={now} />
                  </td>
                  <td>
                    <Text text={login.from} />
                  </td>
                  <td>{login.ends !== undefined && <Until at={login.ends} now={now} />}</td>
                  <td>{login.granted}</td>
                  <td class="principals-id">
                    <Text text={login.ticket} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollPlace>
      )}
      {isAdministrator && (
        <div class="buttons">
          <Button onPress={() => (revoking.value = value?.[0]?.ticket ?? '')}>Revoke one ticket…</Button>
        </div>
      )}
      {revoking.value !== undefined && (
        <RevokeTicketDialog
          session={session}
          principal={principal}
          id={revoking.value}
          onDone={outcome => {
            revoking.value = undefined
            onDone(outcome)
          }}
          onCancel={() => (revoking.value = undefined)}
        />
      )}
    </section>
  )
}
