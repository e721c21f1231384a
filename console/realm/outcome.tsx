import { type Revocation, refusedBy } from '../../client/channel/refused-by.js'
import { OrthrusError } from '../../shared/errors.js'
import { SECOND } from '../../shared/time.js'
import { useLoaded } from '../parts/loaded.js'
import { Text } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import type { Session } from '../session/session.js'

/** What an act did. */
export interface Outcome {
  /** In a sentence, in the past. */
  readonly text: string
  /** What it revoked, so that it is told which services refuse by now. */
  readonly revocation?: Revocation
  /** What else should be known, or done next. */
  readonly aside?: string
}

/** How long services that follow have to say that they refuse what was revoked, milliseconds. */
const WAIT = 5 * SECOND

export function OutcomeNotice({
  session,
  outcome,
}: {
  readonly session: Session
  readonly outcome: Outcome
}) {
  const { text, revocation, aside } = outcome
  return (
    <Notice kind="good">
      <p>
        <Text text={text} />
      </p>
      {revocation !== undefined && <RefusedBy session={session} revocation={revocation} />}
      {aside !== undefined && (
        <p>
          <Text text={aside} />
        </p>
      )}
    </Notice>
  )
}

function RefusedBy({ session, revocation }: { readonly session: Session; readonly revocation: Revocation }) {
  const { value, failure } = useLoaded(() => ask(session, revocation), [], [session, revocation])
  if (failure !== undefined) {
    return (
      <p>
        It is revoked; which services refuse it by now is not known: <Text text={failure.message} />
      </p>
    )
  }
  if (value === undefined) return <p>Waiting for the services that follow, to say which refuse by now…</p>
  return (
    <p>
      <Text text={`${value}.`} />
    </p>
  )
}

/** Whoever revoked its own tickets has ended its own channel with them, and opens another one. */
async function ask(session: Session, revocation: Revocation): Promise<string> {
  const asked = async (): Promise<string> =>
    (await session.aside(administration => refusedBy(administration, revocation, WAIT))).text
  try {
    return await asked()
  } catch (cause) {
    if (!(cause instanceof OrthrusError) || cause.code !== 'channel_broken') throw cause
    return await asked()
  }
}
