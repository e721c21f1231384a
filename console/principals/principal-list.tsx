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
          <span class="principals-key quiet">{keyText(each, now)}</span>
          <span class="principals-marks">
            <DueMark due={due.get(each.principal)} />
            <StateMark summary={each} now={now} />
          </span>
        </a>
      )}
    />
  )
}

/** As `password, kvno 3, 41 d old`. */
function keyText(summary: PrincipalSummary, now: number): string {
  const { kvnos, keyCreatedAt } = summary
  const kind = kindOf(summary)
  if (kind === 'no key') return 'no key'
  const age = keyCreatedAt === null ? '' : `, ${durationWords(now - keyCreatedAt)} old`
  return `${kind}, kvno ${kvnos.join(', ')}${age}`
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
