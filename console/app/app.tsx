import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { Announcer } from '../parts/announce.js'
import { ConsoleSession } from '../session/console-session.js'
import { type LoggedIn, realmOfPage } from '../session/login.js'
import { LoginForm } from './login-form.js'
import { Outsider } from './outsider.js'
import { followAddress } from './route.js'
import { Shell } from './shell.js'
import { followTheme } from './theme.js'

type State =
  | { readonly kind: 'front' }
  | { readonly kind: 'outsider'; readonly login: LoggedIn }
  | { readonly kind: 'administrator'; readonly session: ConsoleSession }

const state = signal<State>({ kind: 'front' })

function enter(login: LoggedIn): void {
  state.value = isAdministrator(login)
    ? { kind: 'administrator', session: new ConsoleSession(login) }
    : { kind: 'outsider', login }
}

function leave(): void {
  const left = state.value
  state.value = { kind: 'front' }
  if (left.kind === 'administrator') left.session.close()
  if (left.kind === 'outsider') left.login.administration.close()
}

/** As the KDC decides it, which decides it again for each call. */
function isAdministrator({ claims: { role } }: LoggedIn): boolean {
  return role === 'admin' || (Array.isArray(role) && role.includes('admin'))
}

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
  if (now.kind === 'administrator') return <Shell session={now.session} onLogOut={leave} />
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
