/** A URL as it may be shown: without name, password, query and fragment, each of which can hold a secret. */
export function shownUrl(text: string): string {
  if (URL.canParse(text)) {
    const { protocol, host, pathname } = new URL(text)
    if (host !== '') return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
  }
  // Not a URL as it should be: whatever may stand before an @ is left out too.
  return text.replace(/[?#].*$/s, '').replace(/^.*@/s, '')
}
