import { link, lstat, readdir, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { equalBytes } from '#primitives'
import type { RandomSource } from '../../shared/crypto/random.js'
import { codeOf, exists, syncFolder } from '../../shared/folder.node.js'
import { invalidFile, MASTER_KEY_FILE } from '../../shared/keytab/private-file.js'
import { removeAllTemporary } from '../../shared/keytab/unfinished-files.node.js'
import {
  createMasterKey,
  type MasterKey,
  type MasterKeyFileOptions,
  readMasterKey,
  revealMasterKey,
} from './master-key.js'
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

/** How many times the files are read where another process rotates meanwhile: a rotation changes them twice. */
const READING_ATTEMPTS = 10

/**
 * The keys of a file: the next one, if a rotation goes on, and the one of the file. Another process may begin or end a
 * rotation meanwhile, so what is read counts only if both files are the same before and after.
 * @throws OrthrusError `keytab_invalid` as `readMasterKey` does
 */
export async function readMasterKeys(path: string, options: MasterKeyFileOptions = {}): Promise<MasterKeys> {
  for (let attempt = 1; ; attempt++) {
    const before = await filesAt(path)
    try {
      const keys = await readBoth(path, options)
      if (before === (await filesAt(path)) || attempt === READING_ATTEMPTS) return keys
      keys.current.erase()
      keys.previous?.erase()
    } catch (cause) {
      if (before === (await filesAt(path)) || attempt === READING_ATTEMPTS) throw cause
    }
  }
}

async function readBoth(path: string, options: MasterKeyFileOptions): Promise<MasterKeys> {
  const key = await readMasterKey(path, options)
  if (!(await exists(`${path}${NEXT}`))) return { current: key, previous: undefined }
  return { current: await readMasterKey(`${path}${NEXT}`, options), previous: key }
}

/** Which files the key and the next one are: a rotation puts other ones in their places. */
async function filesAt(path: string): Promise<string> {
  const files = [path, `${path}${NEXT}`].map(async name => {
    const found = await lstat(name, { bigint: true }).catch(() => undefined)
    return found === undefined ? 'none' : `${found.dev}:${found.ino}:${found.mtimeNs}`
  })
  return (await Promise.all(files)).join(' ')
}

/** A file that may be replaced, and files beside it. Each step may be interrupted, and is done again by the next try. */
export function masterKeyFile(path: string): MasterKeyPlace {
  return {
    begin: async random => {
      if (await exists(`${path}${OLD}`)) throw oldOneThere(path)
      return createMasterKey(`${path}${NEXT}`, random)
    },
    finish: async () => {
      await keepOld(path)
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

/** Where a finish was interrupted, the old key is kept already. Any other file there is of somebody else. */
async function keepOld(path: string): Promise<void> {
  try {
    await link(path, `${path}${OLD}`)
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw unwritten(path, cause)
    if (!(await isSameKey(path, `${path}${OLD}`))) throw otherOneThere(path)
  }
}

async function isSameKey(path: string, other: string): Promise<boolean> {
  // It was read as the key of the realm before, whoever may read it.
  const options = { allowReadableMasterKey: true }
  const key = await readMasterKey(path, options)
  const found = await readMasterKey(other, options).catch(() => undefined)
  const isSame = found !== undefined && equalBytes(revealMasterKey(key), revealMasterKey(found))
  key.erase()
  found?.erase()
  return isSame
}

function otherOneThere(path: string): Error {
  return invalidFile(
    MASTER_KEY_FILE,
    `${path}${OLD}`,
    'has appeared since the rotation began, with another key: the key before would be kept nowhere',
    'move it away, and run the same command again',
  )
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
