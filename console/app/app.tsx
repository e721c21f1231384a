import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { Announcer, forgetAnnounced } from '../parts/announce.js'
import { accessOf } from '../realm/access.js'
import { ConsoleSession } from '../session/console-session.js'
import { type LoggedIn, realmOfPage } from '../session/login.js'
import { LoginForm } from './login-form.js'
import { Outsider } from './outsider.js'
import { followAddress, forgetPlace, VIEW_NAMES, type ViewName } from './route.js'
import { Shell } from './shell.js'
import { followTheme } from './theme.js'

type State =
  | { readonly kind: 'front' }
  | { readonly kind: 'outsider'; readonly login: LoggedIn }
  | { readonly kind: 'person'; readonly session: ConsoleSession; readonly views: readonly ViewName[] }

const state = signal<State>({ kind: 'front' })

function enter(login: LoggedIn): void {
  const views = viewsFor(login)
  state.value =
    views.length > 0
      ? { kind: 'person', session: new ConsoleSession(login), views }
      : { kind: 'outsider', login }
}

function leave(): void {
  const left = state.value
  state.value = { kind: 'front' }
  if (left.kind === 'person') left.session.close()
  if (left.kind === 'outsider') left.login.administration.close()
  forgetAnnounced()
  forgetPlace()
}

/** What of the realm somebody may look at: the KDC decides, and decides it again for each call. */
function viewsFor({ administration: { realm }, claims }: LoggedIn): readonly ViewName[] {
  const { isAdministrator, owns } = accessOf(
    realm,
    Object.entries(claims).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  )
  if (isAdministrator) return VIEW_NAMES
  return owns.length > 0 ? OWNER_VIEWS : []
}

/** Those that say something to who owns services of the realm and does not administer it. */
const OWNER_VIEWS: readonly ViewName[] = ['principals', 'policy', 'invitations', 'audit']

export function App() {
  useEffect(followAddress, [])
  useEffect(followTheme, [])
  return (
    <>
      <Page />
      <Announcer />
    </>
  )
}

function Page() {
  const now = state.value
  if (now.kind === 'person') return <Shell session={now.session} views={now.views} onLogOut={leave} />
  if (now.kind === 'outsider') return <Outsider login={now.login} onLogOut={leave} />
  return <Front />
}

function Front() {
  useEffect(() => {
    document.title = `Log in · ${realmOfPage()}`
  }, [])
  return (
    <main class="front">
      <h1>{realmOfPage()}</h1>
      <LoginForm onDone={enter} />
    </main>
  )
}
