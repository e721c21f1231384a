import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { Announcer } from '../parts/announce.js'
import type { ConsoleSession } from '../session/console-session.js'
import { LoginForm } from './login-form.js'
import { followAddress } from './route.js'
import { Shell } from './shell.js'
import { followTheme } from './theme.js'

const session = signal<ConsoleSession | undefined>(undefined)

export function App() {
  useEffect(followAddress, [])
  useEffect(followTheme, [])
  const open = session.value
  return (
    <>
      {open === undefined ? (
        <main class="front">
          <h1>Orthrus</h1>
          <LoginForm
            onDone={opened => {
              session.value = opened
            }}
          />
        </main>
      ) : (
        <Shell
          session={open}
          onLogOut={() => {
            open.close()
            session.value = undefined
          }}
        />
      )}
      <Announcer />
    </>
  )
}
