import { formatKeytab, type KeytabEntry } from '../shared/keytab/keytab.js'
import { KEYTAB_FILE } from '../shared/keytab/private-file.js'
import { reservePrivateFile, writePrivateFile } from '../shared/keytab/private-file.node.js'
import { localPart, type Principal } from '../shared/principal.js'

/** `web/1@demo.example` -> `web.1.keytab` */
export function keytabName(principal: Principal): string {
  return `${localPart(principal).replace('/', '.')}.keytab`
}

/** A place for a keytab: so that nothing is registered whose key could not be written down. */
export interface KeytabPlace {
  /** For its owner alone: whole or not at all, and never over a file that exists. */
  write(entries: readonly KeytabEntry[]): Promise<void>
  /** Removes what was not written. */
  abandon(): Promise<void>
}

/** @throws OrthrusError `keytab_invalid` where the file exists or cannot be written */
export async function reserveKeytab(path: string): Promise<KeytabPlace> {
  const place = await reservePrivateFile(KEYTAB_FILE, path)
  return { write: entries => place.write(formatKeytab(entries)), abandon: place.abandon }
}

/** At once, where nothing has to be registered before. @throws OrthrusError as `reserveKeytab` */
export async function writeKeytab(path: string, entries: readonly KeytabEntry[]): Promise<void> {
  await writePrivateFile(KEYTAB_FILE, path, formatKeytab(entries))
}
