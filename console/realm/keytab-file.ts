import { isOfThisMachine } from '../../shared/keytab/kdc-line.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import { localPart } from '../../shared/principal.js'
import { kdcUrl } from '../session/login.js'
import type { SecretFile } from './secret-file.js'

/** Where those who read this page's answers find the KDC: behind the page. Not told to other hosts if it is of this one. */
export function kdcsOfPage(): readonly string[] {
  const url = kdcUrl(location)
  return isOfThisMachine(url) ? [] : [url]
}

/** `web/1@demo.example` -> `web.1.keytab`, as `orthrus admin add` names it. */
export function keytabFile(entry: KeytabEntry): SecretFile {
  return {
    name: `${localPart(entry.principal).replace('/', '.')}.keytab`,
    text: formatKeytab([entry], kdcsOfPage()),
  }
}
