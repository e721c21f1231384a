import type { Use } from '../../shared/administration/audit.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { DAY } from '../../shared/time.js'
import { linkTo } from '../app/route.js'
import { Age } from '../parts/age.js'
import { Empty } from '../parts/empty.js'
import { FailureNotice } from '../parts/failure.js'
import { useLoaded } from '../parts/loaded.js'
import { Name, Text } from '../parts/name.js'
import { ScrollPlace } from '../parts/scroll-place.js'
import { counted } from '../realm/words.js'
import type { Session } from '../session/session.js'

/** How far back, milliseconds. */
const BACK = 7 * DAY
const MOST = 20

async function readUses(session: Session, principal: Principal): Promise<readonly Use[]> {
  const { audit } = session.administration
  const rest = { outcome: null, since: session.now() - BACK }
  const own = principal as string as Pattern
  const [asClient, asService] = await Promise.all([
    audit.uses({ client: own, service: null, ...rest }),
    audit.uses({ client: null, service: own, ...rest }),
  ])
  return [...asClient, ...asService.filter(use => use.client !== principal)].sort((a, b) => b.at - a.at)
}

/** Who got tickets for what lately: of it, and for it. */
export function UsesPart({
  session,
  principal,
}: {
  readonly session: Session
  readonly principal: Principal
}) {
  const { value, failure } = useLoaded(() => readUses(session, principal), [], [session, principal])
  return (
    <section class="section">
      <h3>Last uses</h3>
      {failure !== undefined && <FailureNotice failure={failure} />}
      {value === undefined && failure === undefined && <p class="quiet">Reading the audit log…</p>}
      {value?.length === 0 && <Empty>No ticket of it or for it was asked for in the last 7 days.</Empty>}
      {value !== undefined && value.length > 0 && <UseTable uses={value} session={session} />}
      <p>
        <a href={linkTo('audit', 'client', principal)}>What the audit log says of it</a>
      </p>
    </section>
  )
}

function UseTable({ uses, session }: { readonly uses: readonly Use[]; readonly session: Session }) {
  const { realm } = session
  const now = session.now()
  return (
    <>
      <ScrollPlace label="Uses">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Client</th>
              <th scope="col">Service</th>
              <th scope="col">Granted</th>
              <th scope="col">Denied</th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            {uses.slice(0, MOST).map(use => (
              <tr key={`${use.client} ${use.service}`}>
                <td>
                  <Name name={use.client} realm={realm} />
                </td>
                <td>
                  <Name name={use.service} realm={realm} />
                </td>
                <td>{use.granted}</td>
                <td>{use.denied > 0 ? <span class="badge badge-bad">{use.denied}</span> : 0}</td>
                <td>
                  <Age at={use.at} now={now} /> from <Text text={use.from} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollPlace>
      {uses.length > MOST && <p class="quiet">and {counted(uses.length - MOST, 'pair')} more</p>}
    </>
  )
}
