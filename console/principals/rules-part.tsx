import type { PolicyRule } from '../../shared/administration/rule.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { linkTo } from '../app/route.js'
import { Empty } from '../parts/empty.js'
import { Name } from '../parts/name.js'
import { ScrollPlace } from '../parts/scroll-place.js'
import type { RulesAbout } from '../realm/rules-about.js'
import { Terms } from '../realm/terms.js'
import { counted } from '../realm/words.js'
import type { Session } from '../session/session.js'

export interface RulesPartProps {
  readonly session: Session
  readonly principal: Principal
  readonly about: RulesAbout
  readonly owners: readonly Pattern[]
}

/** The most rules of a side that are shown. */
const MOST = 12

export function RulesPart({ session, principal, about, owners }: RulesPartProps) {
  const { realm } = session
  return (
    <>
      <section class="section">
        <h3>Owners</h3>
        {owners.length === 0 ? (
          <p class="quiet">Nobody but administrators.</p>
        ) : (
          <p class="principals-chips">
            {owners.map(owner => (
              <Name key={owner} name={owner} realm={realm} />
            ))}
          </p>
        )}
      </section>
      <RuleTable
        title="What it may reach"
        rules={about.asClient}
        empty="No rule has it as a client, so it gets tickets for nothing."
        other={rule => rule.service}
        own={rule => rule.client}
        session={session}
        principal={principal}
      />
      <RuleTable
        title="Who may reach it"
        rules={about.asService}
        empty="No rule has it as a service, so nobody gets a ticket for it."
        other={rule => rule.client}
        own={rule => rule.service}
        session={session}
        principal={principal}
      />
    </>
  )
}

interface RuleTableProps {
  readonly title: string
  readonly rules: readonly PolicyRule[]
  readonly empty: string
  readonly other: (rule: PolicyRule) => Pattern
  readonly own: (rule: PolicyRule) => Pattern
  readonly session: Session
  readonly principal: Principal
}

function RuleTable({ title, rules, empty, other, own, session, principal }: RuleTableProps) {
  const { realm } = session
  const now = session.now()
  if (rules.length === 0) {
    return (
      <section class="section">
        <h3>{title}</h3>
        <Empty>{empty}</Empty>
      </section>
    )
  }
  return (
    <section class="section">
      <h3>{title}</h3>
      <ScrollPlace label={title}>
        <table class="table">
          <tbody>
            {rules.slice(0, MOST).map(rule => (
              <tr key={`${rule.client} ${rule.service}`}>
                <th scope="row">
                  <Name name={other(rule)} realm={realm} />
                </th>
                <td>
                  <Terms realm={realm} rule={rule} now={now} />
                </td>
                <td class="quiet">
                  {(own(rule) as string) !== principal && (
                    <>
                      as <Name name={own(rule)} realm={realm} />
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollPlace>
      <p>
        <a href={linkTo('policy', 'about', principal)}>
          {rules.length > MOST ? `All ${counted(rules.length, 'rule')} in the policy` : 'In the policy'}
        </a>
      </p>
    </section>
  )
}
