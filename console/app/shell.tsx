import { useEffect, useRef } from 'preact/hooks'
import { Button } from '../parts/button.js'
import { Name } from '../parts/name.js'
import { Notice } from '../parts/notice.js'
import type { ConsoleSession } from '../session/console-session.js'
import { LoginAgain } from './login-again.js'
import { linkTo, type Route, route, type ViewName } from './route.js'
import { ThemeChoice } from './theme-choice.js'
import { VIEWS } from './views.js'

export interface ShellProps {
  readonly session: ConsoleSession
  /** Those that the person may look at; at least one. */
  readonly views: readonly ViewName[]
  readonly onLogOut: () => void
}

/** What stands around every view. */
export function Shell({ session, views, onLogOut }: ShellProps) {
  const { view, rest } = placeIn(views)
  const { title, View } = VIEWS[view]
  const isLost = session.link.value === 'lost'
  const isStale = isLost || session.ended.value !== null
  const heading = useRef<HTMLHeadingElement>(null)
  const shown = useRef(view)
  useEffect(() => {
    document.title = `${title} · ${session.realm}`
    // The first view does not take focus from where the page begins.
    if (shown.current !== view) heading.current?.focus()
    shown.current = view
  }, [view])
  return (
    <div class="shell">
      <header class="top">
        <a
          class="skip"
          href={linkTo(view, ...rest)}
          onClick={event => {
            event.preventDefault()
            heading.current?.focus()
          }}
        >
          Skip to {title.toLowerCase()}
        </a>
        <span class="top-realm">
          <Name name={session.realm} />
        </span>
        <span class="top-me">
          <Name name={session.me} realm={session.realm} />
        </span>
        <ThemeChoice />
        <Button onPress={onLogOut}>Log out</Button>
      </header>
      <nav class="views" aria-label="Views">
        {views.map(name => (
          <a key={name} href={linkTo(name)} aria-current={name === view ? 'page' : undefined}>
            {VIEWS[name].title}
          </a>
        ))}
      </nav>
      <main class="view" data-lost={isStale}>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {isLost && (
          <Notice kind="warn">
            The connection to the KDC is lost. What you see is as it was; nothing can be changed until it is
            back, which is tried every second.
          </Notice>
        )}
        <div class="view-body">
          <View session={session} rest={rest} />
        </div>
      </main>
      <LoginAgain session={session} onLogOut={onLogOut} />
    </div>
  )
}

/** Where the page is. An address that leads elsewhere than the person may look leads to the first view. */
function placeIn(views: readonly ViewName[]): Route {
  const [first = 'map'] = views
  return views.includes(route.value.view) ? route.value : { view: first, rest: [] }
}
