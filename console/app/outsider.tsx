import { useEffect, useRef } from 'preact/hooks'
import { localPart } from '../../shared/principal.js'
import { Button } from '../parts/button.js'
import { Name } from '../parts/name.js'
import type { LoggedIn } from '../session/login.js'

/** For somebody who logged in and is no administrator: what that means, and what can be done. */
export function Outsider({ login, onLogOut }: { readonly login: LoggedIn; readonly onLogOut: () => void }) {
  const { me, administration } = login
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `No administrator · ${administration.realm}`
    heading.current?.focus()
  }, [])
  return (
    <main class="front">
      <h1 ref={heading} tabIndex={-1}>
        Not an administrator
      </h1>
      <p>
        You are logged in as <Name name={me} />, and may see nothing of the realm here: its views need the
        claim <code>role=admin</code>, or <code>owner</code> with the name of a service.
      </p>
      <p>An administrator can give it to you, which counts from your next login on:</p>
      <pre class="command">orthrus admin allow {localPart(me)} kdc --claim role=admin</pre>
      <p>And you may ask why you were refused a ticket:</p>
      <pre class="command">orthrus admin why {localPart(me)} SERVICE</pre>
      <div>
        <Button kind="main" onPress={onLogOut}>
          Log out
        </Button>
      </div>
    </main>
  )
}
