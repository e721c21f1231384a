import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { exists, syncFolder } from '../folder.node.js'
import type { KeytabDisk } from './keytab-disk.node.js'
import type { ChangingKeytab, ChangingKeytabOptions, KeytabChange, KeytabFileOptions } from './keytab-file.js'
import { lockKeytab, unwritableKeytab } from './keytab-lock.node.js'
import { requirePath } from './keytab-path.js'
import { CHANGING_KEYTAB_FILE, KEYTAB_FILE } from './private-file.js'
import { readPrivateFile, writePrivateFile } from './private-file.node.js'

export type { ChangingKeytab, ChangingKeytabOptions, KeytabChange, KeytabFileOptions } from './keytab-file.js'

/**
 * The text of a keytab.
 * @throws TypeError if the path is the text of a keytab
 * @throws OrthrusError `keytab_invalid` if the file is missing or not private (`private-file.ts`)
 */
export async function readKeytabFile(path: string, options: KeytabFileOptions = {}): Promise<string> {
  requirePath(path)
  const text = await readPrivateFile(KEYTAB_FILE, path, {
    allowReadable: options.allowReadableKeytab === true,
  })
  // A login with a new key makes the KDC erase the one before it. So the new one must be here to stay, also if the
  // process that wrote it has not come to this yet. Where the folder cannot be opened nothing is changed in it.
  await syncFolder(dirname(path)).catch(() => undefined)
  return text
}

/**
 * Writes a keytab whole or not at all, on stable storage, for its owner only, and never over a file that exists.
 * @throws OrthrusError `keytab_invalid` if the file exists or cannot be written
 * @throws TypeError if the path is the text of a keytab
 */
export async function createKeytabFile(path: string, text: string): Promise<void> {
  requirePath(path)
  await writePrivateFile(KEYTAB_FILE, path, text)
}

/** Whether there is a file, or a link that leads nowhere. @throws TypeError if the path is the text of a keytab */
export async function isKeytabThere(path: string): Promise<boolean> {
  requirePath(path)
  return await exists(path)
}

/** @throws TypeError if the path is the text of a keytab */
export function changingKeytab(
  path: string,
  options: ChangingKeytabOptions & { readonly disk?: KeytabDisk },
): ChangingKeytab {
  requirePath(path)
  return {
    path,
    requireChangeable: () => requireChangeable(path),
    change: change => changeLocked(path, options, change),
  }
}

async function requireChangeable(path: string): Promise<void> {
  await readPrivateFile(CHANGING_KEYTAB_FILE, path)
  await access(dirname(path), constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw unwritableKeytab(path, cause)
  })
}

async function changeLocked<T>(
  path: string,
  options: ChangingKeytabOptions & { readonly disk?: KeytabDisk },
  change: (text: string) => Promise<KeytabChange<T>>,
): Promise<T> {
  const lock = await lockKeytab(path, options)
  try {
    const { text, facts } = await lock.read()
    const { text: changed, result } = await change(text)
    if (changed !== undefined && changed !== text) await lock.replace(changed, facts)
    return result
  } finally {
    await lock.release()
  }
}
