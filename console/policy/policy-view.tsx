import { useSignal } from '@preact/signals'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { isPrincipal, type Principal } from '../../shared/principal.js'
import { linkTo } from '../app/route.js'
import { Button } from '../parts/button.js'
import { Empty } from '../parts/empty.js'
import { FailureNotice } from '../parts/failure.js'
import { useLoaded } from '../parts/loaded.js'
import { Name, Text } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import { acted } from '../realm/acted.js'
import '../realm/realm.css'
import { rulesAbout } from '../realm/rules-about.js'
import type { Session, ViewProps } from '../session/session.js'
import { WhyPanel } from '../why/why-form.js'
import { FilePanel } from './file-panel.js'
import './policy.css'
import { type PolicyData, readPolicy } from './policy-data.js'
import { PolicyGraph } from './policy-graph.js'
import type { PolicyFacts } from './rule-consequences.js'
import { RuleDialog } from './rule-dialog.js'
import { ALL_RULES, rulesShown } from './rule-filter.js'
import { RuleFilterBar } from './rule-filter-bar.js'
import { RuleList } from './rule-list.js'

const TABS = [
  ['', 'Graph'],
  ['table', 'Table'],
  ['why', 'Why'],
  ['file', 'File'],
] as const

export function PolicyView({ session, rest }: ViewProps) {
  const [place = '', first, second] = rest
  const tab = TABS.find(([name]) => name === place)?.[0] ?? ''
  const { value, failure } = useLoaded(
    readPolicy(session),
    [session.changed.policy, session.changed.principals, acted],
    [session],
  )
  return (
    <>
      <nav class="policy-tabs" aria-label="Policy">
        {TABS.map(([name, title]) => (
          <a
            key={name}
            href={name === '' ? linkTo('policy') : linkTo('policy', name)}
            aria-current={name === tab ? 'page' : undefined}
          >
            {title}
          </a>
        ))}
      </nav>
      {failure !== undefined && <FailureNotice failure={failure} />}
      {value !== undefined && !value.access.isAdministrator && (
        <Notice kind="info">You see the rules about the services that you own.</Notice>
      )}
      {tab === 'why' && (
        <WhyPanel
          session={session}
          client={place === 'why' && first !== 'id' ? first : undefined}
          service={first !== 'id' ? second : undefined}
          id={first === 'id' ? second : undefined}
        />
      )}
      {value === undefined && failure === undefined && tab !== 'why' && <Empty>Reading…</Empty>}
      {value !== undefined && tab === 'file' && <FilePanel session={session} data={value} />}
      {value !== undefined && (tab === '' || tab === 'table') && (
        <Rules
          session={session}
          data={value}
          hasGraph={tab === ''}
          about={place === 'about' && first !== undefined && isPrincipal(first) ? first : undefined}
        />
      )}
    </>
  )
}

interface RulesProps {
  readonly session: Session
  readonly data: PolicyData
  readonly hasGraph: boolean
  /** Only the rules in which this principal stands. */
  readonly about: Principal | undefined
}

/** What is open: a rule that is there, or a new one. */
type Open = { readonly rule: PolicyRule | null }

function Rules({ session, data, hasGraph, about }: RulesProps) {
  const filter = useSignal(ALL_RULES)
  const open = useSignal<Open | undefined>(undefined)
  const done = useSignal<string | undefined>(undefined)
  const now = session.now()
  const all = about === undefined ? data.policy.rules : aboutRules(data, about)
  const forGraph = rulesShown(all, { ...filter.value, chosen: undefined }, now)
  const shown = rulesShown(all, filter.value, now)
  const facts: PolicyFacts = {
    realm: session.realm,
    rules: data.policy.rules,
    principals: data.principals,
    maxServiceLife: data.maxServiceLife,
    now,
  }
  const edit = (rule: PolicyRule | null): void => {
    done.value = undefined
    open.value = { rule }
  }
  return (
    <>
      {about !== undefined && (
        <p>
          Rules about <Name name={about} realm={session.realm} />: what it may reach, and who may reach it.{' '}
          <a href={linkTo('policy')}>All rules</a>
        </p>
      )}
      <div class="bar">
        <RuleFilterBar filter={filter.value} onChange={changed => (filter.value = changed)} />
        <Button kind="main" onPress={() => edit(null)}>
          Add a rule
        </Button>
      </div>
      {done.value !== undefined && (
        <Notice kind="good">
          <Text text={done.value} />
        </Notice>
      )}
      {hasGraph && forGraph.length > 0 && (
        <PolicyGraph
          rules={forGraph}
          realm={session.realm}
          now={now}
          chosen={filter.value.chosen}
          onChoose={chosen => (filter.value = { ...filter.value, chosen })}
          onNarrow={text => (filter.value = { ...filter.value, text, chosen: undefined })}
          onOpen={edit}
        />
      )}
      <p class="quiet" role="status">
        {shown.length} of {all.length} rules
        {filter.value.chosen !== undefined && (
          <>
            , of <Name name={filter.value.chosen.label} realm={session.realm} /> alone{' '}
            <Button onPress={() => (filter.value = { ...filter.value, chosen: undefined })}>Show all</Button>
          </>
        )}
      </p>
      {all.length === 0 ? (
        <Empty>No rule: nobody gets a ticket for anything.</Empty>
      ) : (
        <RuleList rules={shown} realm={session.realm} now={now} onOpen={edit} />
      )}
      {open.value !== undefined && (
        <RuleDialog
          session={session}
          facts={facts}
          opened={open.value.rule}
          onDone={text => {
            open.value = undefined
            done.value = text
          }}
          onCancel={() => (open.value = undefined)}
        />
      )}
    </>
  )
}

function aboutRules({ policy, principals }: PolicyData, about: Principal): readonly PolicyRule[] {
  const groups = principals?.find(each => each.principal === about)?.groups ?? []
  const { asClient, asService } = rulesAbout(about, groups, policy.rules)
  return [...new Set([...asClient, ...asService])]
}
