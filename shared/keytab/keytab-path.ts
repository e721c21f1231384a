import { looksLikeKeytab } from './keytab.js'

/**
 * A keytab's text given in place of its path would go into an error, and from there into a log.
 * @throws TypeError, which does not quote it
 */
export function requirePath(path: string): void {
  if (!looksLikeKeytab(path)) return
  throw new TypeError(
    'this is the text of a keytab, where the path of one belongs: pass the text as { keytab: { text } }, or write it to a file',
  )
}
