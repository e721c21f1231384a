import { constants } from 'node:fs'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../../shared/folder.node.js'

/** The files of an audit log: pieces of one sequence of lines, each named by the number of its first line. */

export const AUDIT_FILES = { KEY: 'audit.key', LAST_MARK: 'last-mark' } as const

const NUMBER_DIGITS = 12
const NAME = /^audit-([0-9]{12,16})\.jsonl$/
/** Opening a pipe waits for its other end without this. Windows does not have it. */
const NON_BLOCKING = constants.O_NONBLOCK ?? 0
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0

export interface AuditFile {
  readonly name: string
  readonly path: string
  /** The number of its first line. */
  readonly first: number
}

export function auditFile(directory: string, first: number): AuditFile {
  const name = `audit-${String(first).padStart(NUMBER_DIGITS, '0')}.jsonl`
  return { name, path: join(directory, name), first }
}

/** In the order of their lines. None if there is no folder. */
export async function auditFiles(directory: string): Promise<AuditFile[]> {
  const names = await readdir(directory).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return []
    throw cause
  })
  return names
    .filter(name => NAME.test(name))
    .map(name => ({ name, path: join(directory, name), first: Number(NAME.exec(name)?.[1]) }))
    .sort((a, b) => a.first - b.first)
}

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size
}

/** A plain file, to read. @throws the system's error, and one if it is a pipe, a device or a folder */
export async function plainFile(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | NON_BLOCKING)
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new Error(`${path} is no plain file`)
}

/** A file to append to, its owner's alone, and no link. It is made if it is not there. */
export function fileToAppend(path: string): Promise<FileHandle> {
  return open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | NON_BLOCKING | NO_FOLLOW,
    0o600,
  )
}

/** A file that is written in place. */
export function fileInPlace(path: string): Promise<FileHandle> {
  return open(path, constants.O_WRONLY | constants.O_CREAT | NON_BLOCKING | NO_FOLLOW, 0o600)
}
