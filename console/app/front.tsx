import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Principal } from '../../shared/principal.js'
import { announce } from '../parts/announce.js'
import { Button } from '../parts/button.js'
import { FailureNotice } from '../parts/failure.js'
import { Name } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import { realmOfPage } from '../session/login.js'
import { LoginForm } from './login-form.js'
import { enter, goOn, offered, type State } from './who.js'

/** Before anybody is logged in, and behind a logout. */
export function Front({ now }: { readonly now: Extract<State, { kind: 'looking' | 'front' }> }) {
  const heading = useRef<HTMLHeadingElement>(null)
  const said = now.kind === 'front' ? now.said : undefined
  useEffect(() => {
    document.title = `Log in · ${realmOfPage()}`
    // What was focused is gone, and what is said here stands behind the heading.
    if (said !== undefined) heading.current?.focus()
  }, [said])
  return (
    <main class="front">
      <h1 ref={heading} tabIndex={-1}>
        {realmOfPage()}
      </h1>
      {now.kind === 'looking' ? (
        <p class="front-looking">Asking other tabs whether you are logged in…</p>
      ) : (
        <>
          {said !== undefined && <Notice kind="info">{said}</Notice>}
          {now.failure !== undefined && <FailureNotice failure={now.failure} />}
          {offered.value !== undefined && <Offer client={offered.value} />}
          <LoginForm onDone={enter} takesFocus={said === undefined} />
        </>
      )}
    </main>
  )
}

/** A tab that stands at the form goes on with the login of another one only if it is told to. */
function Offer({ client }: { readonly client: Principal }) {
  const isBusy = useSignal(false)
  useEffect(() => announce('Another tab is logged in: you can go on with its login.'), [client])
  const go = async (): Promise<void> => {
    isBusy.value = true
    await goOn(client)
    isBusy.value = false
  }
  return (
    <section class="front-offer" aria-label="Login of another tab">
      <p>
        <Name name={client} realm={realmOfPage()} /> is logged in in another tab. Whoever else logs in here
        ends that login.
      </p>
      <Button kind="main" busy={isBusy.value} onPress={() => void go()}>
        Go on as <Name name={client} realm={realmOfPage()} />
      </Button>
    </section>
  )
}
