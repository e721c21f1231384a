import type { KeytabEntry } from '../shared/keytab/keytab.js'
import { KEYTAB_FILE } from '../shared/keytab/private-file.js'
import { localPart, type Principal } from '../shared/principal.js'

/** `web/1@demo.example` -> `web.1.keytab` */
export function keytabName(principal: Principal): string {
  return `${localPart(principal).replace('/', '.')}.keytab`
}

/** A place for a keytab, reserved so that no principal is registered whose key could not be written down. */
export interface KeytabPlace {
  /** Writes the whole keytab or nothing, for its owner only, and never over an existing file. */
  write(entries: readonly KeytabEntry[]): Promise<void>
  /** Removes what was not written. */
  abandon(): Promise<void>
}

/**
 * @param kdcs URLs that the keytab is to name
 * @throws OrthrusError `keytab_invalid` if the file exists or cannot be written
 */
export async function reserveKeytab(path: string, kdcs: readonly string[] = []): Promise<KeytabPlace> {
  const { formatKeytab } = await import('../shared/keytab/keytab.js')
  const { reservePrivateFile } = await import('../shared/keytab/private-file.node.js')
  const place = await reservePrivateFile(KEYTAB_FILE, path)
  return { write: entries => place.write(formatKeytab(entries, kdcs)), abandon: place.abandon }
}

/**
 * Writes a keytab immediately, if nothing has to be registered first.
 * @throws OrthrusError as `reserveKeytab`
 */
export async function writeKeytab(path: string, entries: readonly KeytabEntry[]): Promise<void> {
  const { formatKeytab } = await import('../shared/keytab/keytab.js')
  const { writePrivateFile } = await import('../shared/keytab/private-file.node.js')
  await writePrivateFile(KEYTAB_FILE, path, formatKeytab(entries))
}
