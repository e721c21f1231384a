import { hasSecret } from '../shown-text.js'
import { looksLikeKeytab } from './keytab-form.js'

/**
 * A keytab's text or another secret given in place of a path would go into an error, also into that of the system, and
 * from there into a log.
 * @throws TypeError, which does not quote it
 */
export function requirePath(path: string): void {
  if (typeof path !== 'string') return
  if (looksLikeKeytab(path)) {
    throw new TypeError(
      'this is the text of a keytab, where the path of one belongs: pass the text as { keytab: { text } }, or write it to a file',
    )
  }
  if (hasSecret(path)) throw new TypeError('this is a secret, where the path of a file or folder belongs')
}
