import { readKeytabFile } from '#keytab-file'
import { kdcsNamed } from './kdc-line.js'

/** What says where a keytab is. */
export interface KeytabPlace {
  /** Its path, or its text. */
  readonly keytab: string | { readonly text: string }
  readonly allowReadableKeytab?: boolean
}

/** The KDCs that a keytab names. @throws OrthrusError `keytab_invalid` */
export async function kdcsOfKeytab({ keytab, allowReadableKeytab = false }: KeytabPlace): Promise<string[]> {
  if (typeof keytab !== 'string') return kdcsNamed(keytab.text)
  return kdcsNamed(await readKeytabFile(keytab, { allowReadableKeytab }), keytab)
}
