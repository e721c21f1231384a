import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, syncFolder } from '../../../shared/folder.node.js'

/**
 * A file beside a database in which something was found to be wrong while it served. As long as it is there, every
 * record is read before the database opens, so that nobody serves from a damaged database a second time.
 */
export const SUSPECT_FILE = 'SUSPECT'

/** Failing to write it does no harm beyond that: the next opening finds what is wrong in the background again. */
export async function suspect(directory: string): Promise<void> {
  try {
    const handle = await open(join(directory, SUSPECT_FILE), 'a', 0o600)
    await handle.close()
    await syncFolder(directory)
  } catch {
    // The caller tells what is wrong in any case.
  }
}

export function isSuspect(directory: string): Promise<boolean> {
  return exists(join(directory, SUSPECT_FILE))
}

/** Called when every record was read, and is right. */
export async function clearSuspicion(directory: string): Promise<void> {
  await rm(join(directory, SUSPECT_FILE), { force: true })
  await syncFolder(directory)
}
