import type { DueKey } from '../../shared/administration/keys.js'
import type { PrincipalSummary } from '../../shared/administration/principals.js'
import type { Principal, RealmName } from '../../shared/principal.js'
import { linkTo } from '../app/route.js'
import { Name } from '../parts/name.js'
import { VirtualList } from '../parts/virtual-list.js'
import { durationWords } from '../parts/words.js'
import { kindOf, stateOf } from './filter.js'

export interface PrincipalListProps {
  readonly principals: readonly PrincipalSummary[]
  readonly due: ReadonlyMap<Principal, DueKey>
  readonly realm: RealmName
  readonly now: number
  /** The one whose page is open. */
  readonly shown: Principal | undefined
  readonly onOpen: (principal: Principal) => void
}

/** Pixels. */
const ROW = 44

export function PrincipalList({ principals, due, realm, now, shown, onOpen }: PrincipalListProps) {
  return (
    <VirtualList
      rows={principals}
      rowHeight={ROW}
      label="Principals"
      keyOf={each => each.principal}
      onOpen={each => onOpen(each.principal)}
      render={each => (
        <a
          class="principals-row"
          href={linkTo('principals', each.principal)}
          tabIndex={-1}
          aria-current={each.principal === shown ? 'true' : undefined}
        >
          <span class="principals-name">
            <Name name={each.principal} realm={realm} />
          </span>
          <span class="principals-key quiet">
            <span class="principals-kind">{keyText(each)}</span>
            {each.keyCreatedAt !== null && <KeyAge at={each.keyCreatedAt} now={now} />}
          </span>
          <span class="principals-marks">
            <DueMark due={due.get(each.principal)} />
            <StateMark summary={each} now={now} />
          </span>
        </a>
      )}
    />
  )
}

/** As `password, kvno 3`. */
function keyText(summary: PrincipalSummary): string {
  const kind = kindOf(summary)
  return kind === 'no key' ? kind : `${kind}, kvno ${summary.kvnos.join(', ')}`
}

function KeyAge({ at, now }: { readonly at: number; readonly now: number }) {
  return (
    <span title="the age of its key">
      <span class="unseen">key </span>
      {durationWords(now - at)} old
    </span>
  )
}

function DueMark({ due }: { readonly due: DueKey | undefined }) {
  if (due === undefined) return null
  return <span class="badge badge-warn">{due.askedAt === null ? 'key due' : 'asked for a new key'}</span>
}

export function StateMark({ summary, now }: { readonly summary: PrincipalSummary; readonly now: number }) {
  const state = stateOf(summary, now)
  if (state !== 'enabled') return <span class="badge badge-bad">{state}</span>
  const { expiresAt } = summary
  return expiresAt === null ? null : <span class="badge">ends in {durationWords(expiresAt - now)}</span>
}
