import { useSignal } from '@preact/signals'
import { isPrincipal } from '../../shared/principal.js'
import { goTo } from '../app/route.js'
import { Button } from '../parts/button.js'
import { FailureNotice } from '../parts/failure.js'
import { useLoaded } from '../parts/loaded.js'
import { Notice } from '../parts/notice.js'
import { acted } from '../realm/acted.js'
import { readDirectory } from '../realm/directory.js'
import '../realm/realm.css'
import type { ViewProps } from '../session/session.js'
import { AddDialog } from './add-dialog.js'
import { EVERYTHING, filtered } from './filter.js'
import { FilterBar } from './filter-bar.js'
import { PrincipalDetail } from './principal-detail.js'
import { PrincipalList } from './principal-list.js'
import './principals.css'

export function PrincipalsView({ session, rest }: ViewProps) {
  const { value, failure, isReading } = useLoaded(
    readDirectory(session),
    [session.changed.principals, acted],
    [session],
  )
  const filter = useSignal(EVERYTHING)
  const isAdding = useSignal(false)
  const [name] = rest
  const shown = name !== undefined && isPrincipal(name) ? name : undefined
  const now = session.now()
  const principals = value === undefined ? [] : filtered(value.principals, value.due, filter.value, now)
  const isAdministrator = value?.access.isAdministrator === true
  return (
    <div class="principals" data-detail={shown !== undefined}>
      <section class="principals-all" aria-label="All principals">
        <div class="bar">
          <FilterBar filter={filter.value} onChange={changed => (filter.value = changed)} />
          {isAdministrator && (
            <Button kind="main" onPress={() => (isAdding.value = true)}>
              Add
            </Button>
          )}
        </div>
        {failure !== undefined && <FailureNotice failure={failure} />}
        {value !== undefined && !isAdministrator && (
          <Notice kind="info">
            Only administrators may list all principals. These are the ones that you own by name.
          </Notice>
        )}
        <p class="quiet principals-count" role="status">
          {value === undefined
            ? isReading && 'Reading…'
            : `${principals.length} of ${value.principals.length}${value.isWhole || !isAdministrator ? '' : ', and more are being read'}`}
        </p>
        <PrincipalList
          principals={principals}
          due={value?.due ?? new Map()}
          realm={session.realm}
          now={now}
          shown={shown}
          onOpen={principal => goTo('principals', principal)}
        />
      </section>
      {shown !== undefined && (
        <PrincipalDetail
          key={shown}
          session={session}
          principal={shown}
          isAdministrator={isAdministrator}
          due={value?.due.get(shown)}
        />
      )}
      {isAdding.value && <AddDialog session={session} onClose={() => (isAdding.value = false)} />}
    </div>
  )
}
