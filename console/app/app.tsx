import { useEffect } from 'preact/hooks'
import { Announcer } from '../parts/announce.js'
import { Front } from './front.js'
import { Outsider } from './outsider.js'
import { followAddress } from './route.js'
import { Shell } from './shell.js'
import { followTheme } from './theme.js'
import { begin, logOut, state } from './who.js'

export function App() {
  useEffect(followAddress, [])
  useEffect(followTheme, [])
  useEffect(() => void begin(), [])
  return (
    <>
      <Page />
      <Announcer />
    </>
  )
}

function Page() {
  const now = state.value
  if (now.kind === 'person') return <Shell session={now.session} views={now.views} onLogOut={logOut} />
  if (now.kind === 'outsider') return <Outsider login={now.login} onLogOut={logOut} />
  return <Front now={now} />
}
