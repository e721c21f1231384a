import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OrthrusError } from '../shared/errors.js'
import { formatKeytab, type KeytabEntry } from '../shared/keytab/keytab.js'
import { localPart, type Principal } from '../shared/principal.js'

/** `web/1@demo.example` -> `web.1.keytab` */
export function keytabName(principal: Principal): string {
  return `${localPart(principal).replace('/', '.')}.keytab`
}

/** A place for a keytab: so that nothing is registered whose key could not be written down. */
export interface KeytabPlace {
  /** For its owner alone: whole or not at all, and never over a file that exists. */
  write(entries: readonly KeytabEntry[]): Promise<void>
  /** Takes away what was not written. */
  abandon(): Promise<void>
}

/** @throws OrthrusError `keytab_invalid` where the file exists or cannot be written */
export async function reserveKeytab(path: string): Promise<KeytabPlace> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const abandon = () => unlink(temporary).catch(() => {})
  const file = await attempt(path, async () => {
    if (existsSync(path)) throw Object.assign(new Error(), { code: 'EEXIST' })
    return open(temporary, 'wx', 0o600)
  })
  await file.close()
  const write = (entries: readonly KeytabEntry[]) =>
    attempt(path, () => fill(temporary, path, entries)).finally(abandon)
  return { write, abandon }
}

/** At once, where nothing has to be registered before. @throws OrthrusError as `reserveKeytab` */
export async function writeKeytab(path: string, entries: readonly KeytabEntry[]): Promise<void> {
  const place = await reserveKeytab(path)
  await place.write(entries)
}

async function fill(temporary: string, path: string, entries: readonly KeytabEntry[]): Promise<void> {
  const file = await open(temporary, 'r+')
  try {
    await file.writeFile(formatKeytab(entries))
    await file.sync()
  } finally {
    await file.close()
  }
  // A link fails where the name is taken; a rename would replace what is there.
  await link(temporary, path)
  await syncFolder(dirname(path))
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw unwritten(path, cause)
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
      ? ['exists already', 'move it away, or name another with --out']
      : [`could not be written: ${code}`, 'check the folder and its space']
  return new OrthrusError('keytab_invalid', `the keytab ${path} ${reason}`, { final: true, hint, cause })
}
