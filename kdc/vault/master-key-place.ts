import { link, readdir, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { RandomSource } from '../../shared/crypto/random.js'
import { codeOf, exists, syncFolder } from '../../shared/folder.node.js'
import { invalidFile, MASTER_KEY_FILE } from '../../shared/keytab/private-file.js'
import { removeAllTemporary } from '../../shared/keytab/unfinished-files.node.js'
import { createMasterKey, type MasterKey, type MasterKeyFileOptions, readMasterKey } from './master-key.js'
import type { MasterKeys } from './sealed-records.js'

/** Where a master key is kept, as far as a rotation changes it. */
export interface MasterKeyPlace {
  /** Draws the next key and keeps it beside the present one, on stable storage, before anything is sealed under it. */
  begin(random: RandomSource): Promise<MasterKey>
  /**
   * Puts the next key in the place of the present one, once nothing is sealed under that any more.
   * @returns where the key before is kept
   */
  finish(): Promise<string>
}

/** While a rotation goes on, the next key is beside the present one. Afterwards the one before is. */
const NEXT = '.next'
const OLD = '.old'

/**
 * The keys of a file: the next one, if a rotation goes on, and the one of the file.
 * @throws OrthrusError `keytab_invalid` as `readMasterKey` does
 */
export async function readMasterKeys(path: string, options: MasterKeyFileOptions = {}): Promise<MasterKeys> {
  const key = await readMasterKey(path, options)
  if (!(await exists(`${path}${NEXT}`))) return { current: key, previous: undefined }
  return { current: await readMasterKey(`${path}${NEXT}`, options), previous: key }
}

/** A file that may be replaced, and files beside it. Each step may be interrupted, and is done again by the next try. */
export function masterKeyFile(path: string): MasterKeyPlace {
  return {
    begin: async random => {
      if (await exists(`${path}${OLD}`)) throw oldOneThere(path)
      return createMasterKey(`${path}${NEXT}`, random)
    },
    finish: async () => {
      await link(path, `${path}${OLD}`).catch((cause: unknown) => {
        // A finish was interrupted here.
        if (codeOf(cause) !== 'EEXIST') throw unwritten(path, cause)
      })
      // One that was killed while it wrote the next key has left another copy of it.
      await removeAllTemporary(`${path}${NEXT}`, { readdir, unlink }).catch((cause: unknown) => {
        throw unwritten(path, cause)
      })
      await syncFolder(dirname(path))
      await rename(`${path}${NEXT}`, path).catch((cause: unknown) => {
        throw unwritten(path, cause)
      })
      await syncFolder(dirname(path))
      return `${path}${OLD}`
    },
  }
}

function oldOneThere(path: string): Error {
  return invalidFile(
    MASTER_KEY_FILE,
    `${path}${OLD}`,
    'is still there from the last rotation',
    'destroy it, or move it to the backups that were made under it',
  )
}

function unwritten(path: string, cause: unknown): Error {
  const hint = 'check its folder, and that the KDC may write there; then run the same command again'
  return invalidFile(MASTER_KEY_FILE, path, `could not be replaced: ${codeOf(cause)}`, hint, cause)
}
