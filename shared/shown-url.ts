import { withoutSecrets } from './shown-text.js'

/** A URL that is safe to show: without user name, password, query and fragment, each of which can hold a secret. */
export function shownUrl(text: string): string {
  return withoutSecrets(partsShown(text))
}

function partsShown(text: string): string {
  if (URL.canParse(text)) {
    const { protocol, host, pathname } = new URL(text)
    if (host !== '') return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
  }
  // Not a proper URL, so everything before an @ is left out too.
  return text.replace(/[?#].*$/s, '').replace(/^.*@/s, '')
}
