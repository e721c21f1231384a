import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OrthrusError } from '../../../shared/errors.js'
import { COMMITS_FILE } from './commit-count.js'
import { explainFailure } from './failure.js'
import { isDatabaseFile, readFolder, requireFiles } from './folder.js'

/** How often it is tried to copy a database that a KDC has open, between two of its changes. */
const ATTEMPTS = 20

/**
 * Calls `use` with a copy of a database, in a folder for temporary files that is removed afterwards. Nothing is
 * written beside the database itself, whose files a running KDC may have open.
 * @throws OrthrusError `unavailable` if it is not there, cannot be read, or never stops changing
 */
export async function withCopy<T>(directory: string, use: (copy: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-check-'))
  try {
    const copy = await copyBetweenChanges(directory, folder).catch((cause: unknown) => {
      throw explainFailure(directory, 'cannot be read', cause)
    })
    return await use(copy).catch((cause: unknown) => {
      throw aboutOriginal(cause, copy, directory)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** People know the database, and not its copy. */
function aboutOriginal(cause: unknown, copy: string, directory: string): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  const { code, reason, final, facts } = cause
  return new OrthrusError(code, reason.replaceAll(copy, directory), { ...facts, final, cause })
}

async function copyBetweenChanges(directory: string, folder: string): Promise<string> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const before = await stateOf(directory)
    if (before.names.length === 0) {
      throw new OrthrusError('unavailable', `there is no database in ${directory}`, {
        hint: 'name the folder that "orthrus init" made with --data',
      })
    }
    const copy = await mkdtemp(join(folder, 'db-'))
    const isCopied = await copyAll(directory, copy, before.names)
    if (isCopied && (await stateOf(directory)).text === before.text) return copy
    await rm(copy, { recursive: true, force: true })
  }
  throw new OrthrusError('unavailable', `the database in ${directory} keeps changing while it is copied`, {
    hint: 'make a backup and check that: orthrus backup FILE, then orthrus check FILE',
  })
}

interface FolderState {
  readonly names: readonly string[]
  /** Differs after any change. */
  readonly text: string
}

async function stateOf(directory: string): Promise<FolderState> {
  const names = (await readFolder(directory)).filter(name => isDatabaseFile(name) || name === COMMITS_FILE)
  await requireFiles(directory, names)
  const facts = await Promise.all(
    names.sort().map(async name => {
      const found = await stat(join(directory, name), { bigint: true }).catch(() => undefined)
      return `${name} ${found?.size} ${found?.mtimeNs} ${found?.ino}`
    }),
  )
  return { names, text: facts.join('\n') }
}

/** @returns false if a file was removed meanwhile */
async function copyAll(directory: string, copy: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    try {
      await copyFile(join(directory, name), join(copy, name))
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false
      throw cause
    }
  }
  return true
}
