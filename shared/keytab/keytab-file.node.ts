import type { KeytabFileOptions } from './keytab-file.js'
import { requirePath } from './keytab-path.js'
import { KEYTAB_FILE } from './private-file.js'
import { readPrivateFile } from './private-file.node.js'

export type { KeytabFileOptions } from './keytab-file.js'

/**
 * The text of a keytab.
 * @throws TypeError if the path is the text of a keytab
 * @throws OrthrusError `keytab_invalid` if the file is missing or not private (`private-file.ts`)
 */
export async function readKeytabFile(path: string, options: KeytabFileOptions = {}): Promise<string> {
  requirePath(path)
  return await readPrivateFile(KEYTAB_FILE, path, { allowReadable: options.allowReadableKeytab === true })
}
