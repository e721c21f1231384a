import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { OrthrusError } from '../errors.js'
import type { KeytabFileOptions } from './keytab-file.js'

export type { KeytabFileOptions } from './keytab-file.js'

const SIZE_MAX = 1024 * 1024
const OTHERS = 0o077

/**
 * The text of a keytab. What is checked is the file that was opened, not the name.
 * @throws OrthrusError `keytab_invalid` where it is missing, no plain file, somebody else's or readable by others
 */
export async function readKeytabFile(path: string, options: KeytabFileOptions = {}): Promise<string> {
  const file = await openPlain(path, options)
  try {
    await requirePrivate(file, path, options)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

async function openPlain(path: string, { allowReadableKeytab }: KeytabFileOptions): Promise<FileHandle> {
  // Mounted secrets are symbolic links, so who allows a readable keytab allows those too.
  const follow = allowReadableKeytab === true ? 0 : constants.O_NOFOLLOW
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | follow)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT') {
      throw invalid(path, 'does not exist', 'make one with: orthrus admin add NAME')
    }
    if (code === 'ELOOP') throw invalid(path, 'is a symbolic link', 'name the file itself')
    throw invalid(
      path,
      `cannot be opened: ${code ?? 'unknown reason'}`,
      'check who owns it and its mode',
      cause,
    )
  }
}

async function requirePrivate(file: FileHandle, path: string, options: KeytabFileOptions): Promise<void> {
  const stat = await file.stat()
  if (!stat.isFile()) throw invalid(path, 'is no plain file', 'name the file itself')
  if (stat.size > SIZE_MAX) throw invalid(path, `is larger than ${SIZE_MAX} bytes`, 'is it a keytab?')
  // Windows has no such modes, and says that everybody may.
  if (options.allowReadableKeytab === true || process.platform === 'win32') return
  if ((stat.mode & OTHERS) !== 0) throw invalid(path, 'can be read by others', `run: chmod 600 ${path}`)
  const user = process.getuid?.()
  if (user !== undefined && user !== 0 && stat.uid !== user) {
    throw invalid(path, 'belongs to another user', 'copy it as the user who runs this')
  }
}

function invalid(path: string, reason: string, hint: string, cause?: unknown): OrthrusError {
  return new OrthrusError('keytab_invalid', `the keytab ${path} ${reason}`, { final: true, hint, cause })
}
