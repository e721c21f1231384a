import { Button } from '../parts/button.js'
import { Dialog } from '../parts/dialog.js'
import { FailureNotice } from '../parts/failure.js'
import { Name } from '../parts/name.js'
import type { ConsoleSession } from '../session/console-session.js'
import { LoginForm } from './login-form.js'

export interface LoginAgainProps {
  readonly session: ConsoleSession
  readonly onLogOut: () => void
}

/** Asks for the password again once the login has ended. What was on the page stays behind it. */
export function LoginAgain({ session, onLogOut }: LoginAgainProps) {
  const ended = session.ended.value
  if (ended === null) return null
  return (
    <Dialog title="Log in again" onCancel={() => {}}>
      <FailureNotice failure={ended} />
      <p>
        You were logged in as <Name name={session.me} />.
      </p>
      <LoginForm name={session.me} onDone={login => session.renew(login)} />
      <div class="dialog-buttons">
        <Button onPress={onLogOut}>Log out</Button>
      </div>
    </Dialog>
  )
}
