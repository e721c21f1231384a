import { lstat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFolder } from '../../shared/folder.node.js'

/**
 * The folder in which processes of one user on one machine keep what concerns them alone, until the machine starts again.
 * @throws Error if it is another user's, or others can write into it
 */
export async function machineFolder(parent = tmpdir()): Promise<string> {
  const user = process.getuid?.()
  const folder = join(parent, `orthrus-${user ?? 'user'}`)
  await createFolder(folder)
  const facts = await lstat(folder)
  if (!facts.isDirectory()) throw notPrivate(folder)
  // Windows keeps the temporary folder of each user from others by itself.
  if (user !== undefined && (facts.uid !== user || (facts.mode & 0o077) !== 0)) throw notPrivate(folder)
  return folder
}

function notPrivate(folder: string): Error {
  return Object.assign(new Error(`${folder} is not a folder of this user alone`), { code: 'EACCES' })
}
