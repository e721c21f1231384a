import { signal } from '@preact/signals'

/** Where the page is, which stands behind the `#` of its address: `#/audit/client/web%2F1%40demo.example`. */

export const VIEW_NAMES = ['map', 'principals', 'policy', 'invitations', 'audit', 'health'] as const
export type ViewName = (typeof VIEW_NAMES)[number]

export interface Route {
  readonly view: ViewName
  /** What follows the view's name, decoded. */
  readonly rest: readonly string[]
}

/** The address of a view, for `href`. @param rest any text: it is encoded */
export function linkTo(view: ViewName, ...rest: readonly string[]): string {
  return `#/${[view, ...rest.map(encodeURIComponent)].join('/')}`
}

/** What an address names. Anything that is none names the first view. */
export function routeOf(hash: string): Route {
  const [, name = '', ...rest] = hash.replace(/^#/, '').split('/')
  const view = VIEW_NAMES.find(each => each === name)
  if (view === undefined) return { view: VIEW_NAMES[0], rest: [] }
  try {
    return { view, rest: rest.filter(each => each !== '').map(decodeURIComponent) }
  } catch {
    // A `%` that encodes nothing: somebody wrote it by hand.
    return { view, rest: [] }
  }
}

/** The present place. */
export const route = signal<Route>({ view: VIEW_NAMES[0], rest: [] })

/** Goes to another place of the page. */
export function goTo(view: ViewName, ...rest: readonly string[]): void {
  location.hash = linkTo(view, ...rest)
}

/** Goes back to the first view, and leaves in the address nothing of where somebody was. */
export function forgetPlace(): void {
  history.replaceState(null, '', location.pathname)
  route.value = routeOf('')
}

/** Keeps `route` with the address. @returns ends that */
export function followAddress(): () => void {
  const read = (): void => {
    route.value = routeOf(location.hash)
  }
  read()
  addEventListener('hashchange', read)
  return () => removeEventListener('hashchange', read)
}
