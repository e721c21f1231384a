import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../../shared/folder.node.js'
import { type Holding, type KeyLock, KeyTaken, ownName } from './key-lock.js'
import { machineFolder } from './machine-folder.js'

/**
 * The lock of a key where names without files do not exist, as on macOS: a file that the system locks when it is opened,
 * and unlocks when the process ends. The file is never removed.
 */

/**
 * `O_SHLOCK` and `O_EXLOCK` of macOS and the BSDs, which Node passes on and has no names for. The cache of the machine
 * does not exist there, so nothing is lost by sharing.
 */
const LOCK = { machine: 0x10, shared: 0x10, alone: 0x20 } as const
const OPEN = constants.O_RDWR | constants.O_CREAT | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0)

/** The calls of the system, which a test replaces. */
export const systemFiles = {
  folder: machineFolder,
  open: openSync,
  close: closeSync,
  read: (path: string) => readFileSync(path, 'utf8'),
  write: (file: number, text: string): void => {
    ftruncateSync(file)
    writeSync(file, text, 0)
  },
} as const

/** @throws the system's error if there can be no lock */
export async function lockFile(
  name: string,
  holding: Holding,
  files: typeof systemFiles = systemFiles,
): Promise<KeyLock | KeyTaken> {
  const path = join(await files.folder(), name)
  let file: number
  try {
    file = files.open(path, OPEN | LOCK[holding], 0o600)
  } catch (cause) {
    if (codeOf(cause) !== 'EAGAIN') throw cause
    return takenBy(files.read(path))
  }
  // Only who is alone may write: others would write over each other.
  if (holding === 'alone') files.write(file, ownName())
  else files.write(file, '')
  return { release: () => files.close(file) }
}

/** Those who share the file leave it empty. */
function takenBy(text: string): KeyTaken {
  return new KeyTaken(text === '' ? 'shared' : 'alone', text)
}
