import { randomBytes } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OrthrusError } from '../shared/errors.js'
import { formatKeytab, type KeytabEntry } from '../shared/keytab.js'
import { localPart, type Principal } from '../shared/principal.js'

/** `web/1@demo.example` -> `web.1.keytab` */
export function keytabName(principal: Principal): string {
  return `${localPart(principal).replace('/', '.')}.keytab`
}

/**
 * Writes a keytab for its owner alone: whole or not at all, and never over a file that exists.
 * @throws OrthrusError `keytab_invalid` where the file exists or cannot be written
 */
export async function writeKeytab(path: string, entries: readonly KeytabEntry[]): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(formatKeytab(entries))
      await file.sync()
    } finally {
      await file.close()
    }
    // A link fails where the name is taken; a rename would replace what is there.
    await link(temporary, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    throw unwritten(path, cause)
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

function unwritten(path: string, cause: unknown): OrthrusError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason'
  const [reason, hint] =
    code === 'EEXIST'
      ? ['exists already', 'move it away, or name another with --keytab']
      : [`could not be written: ${code}`, 'check the folder and its space']
  return new OrthrusError('keytab_invalid', `the keytab ${path} ${reason}`, { final: true, hint, cause })
}
