import { OrthrusError } from '../../../shared/errors.js'
import { createFolder, syncFolder } from '../../../shared/folder.node.js'
import type { Logger } from '../../../shared/logger.js'
import { clearCleanMark, MARK_FILE, markClosedCleanly, wasClosedCleanly } from './clean-close.js'
import { COMMITS_FILE } from './commit-count.js'
import { levelOf, type OpenDatabase, readTally } from './database.js'
import { explainFailure, levelCode } from './failure.js'
import { isDatabaseFile, readFolder, removeTrials, requireFiles } from './folder.js'
import { clearSuspicion, isSuspect, SUSPECT_FILE } from './suspicion.js'
import { type Reading, requireWhole, sortFiles } from './whole-check.js'

/** Logged beforehand, because to read all of it takes about 10 s for a million principals, and nothing answers meanwhile. */
const WHY_READING = {
  records: 'the database was not closed in order, or was changed since: every record is read before it opens',
  files:
    'the database was not closed in order, or was changed since: its files are checked before it opens, and every record afterwards',
  suspect:
    'something was wrong with the database when it was last open: every record is read before it opens',
} as const

/** @throws OrthrusError `unavailable` unless the folder is new or empty. */
export async function createDatabase(directory: string): Promise<void> {
  try {
    await createFolder(directory)
    if ((await readFolder(directory)).length > 0) {
      throw new OrthrusError('unavailable', `${directory} is not empty`, {
        hint: 'a database is made in a folder of its own and never over another',
      })
    }
    const database = levelOf(directory)
    await database.open({ createIfMissing: true, errorIfExists: true })
    await database.close()
    await markClosedCleanly(directory)
  } catch (cause) {
    throw explainFailure(directory, 'cannot be made', cause)
  }
}

/**
 * Opens a database if all of it is there. One that was not closed in order, or was changed since, is first opened on
 * trial through links to its files, where LevelDB may drop what it likes. Then the files themselves are opened.
 * @param reading how much of one that was not closed in order is read before it opens
 * @throws OrthrusError `unavailable`; the files are unchanged
 */
export async function openDatabase(
  directory: string,
  logger: Logger,
  reading: Reading,
): Promise<OpenDatabase> {
  try {
    await requireUnlocked(directory)
    await removeTrials(directory)
    const files = await sortFiles(directory)
    const isSuspected = await isSuspect(directory)
    const wasClosed = files.broken.length === 0 && !isSuspected && (await wasClosedCleanly(directory))
    if (!wasClosed) {
      logger.warn({ directory }, WHY_READING[isSuspected ? 'suspect' : reading])
      await requireWhole(directory, files, isSuspected ? 'records' : reading)
    }
    await clearCleanMark(directory)
    if (isSuspected) await clearSuspicion(directory)
    const database = levelOf(directory)
    await database.open({ createIfMissing: false })
    // LevelDB renames files while it opens, but does not sync the folder.
    await syncFolder(directory)
    const isRead = wasClosed || isSuspected || reading === 'records'
    return { database, tally: await readTally(directory, database), isRead }
  } catch (cause) {
    throw explainFailure(directory, 'cannot be opened', cause)
  }
}

/** Files that are opened beside those of the database. */
const BESIDE: ReadonlySet<string> = new Set([COMMITS_FILE, MARK_FILE, SUSPECT_FILE, 'LOCK', 'LOG'])

/** LevelDB checks its lock before it checks whether there is a database. This call gets no further than that. */
async function requireUnlocked(directory: string): Promise<void> {
  const names = await readFolder(directory)
  if (!names.some(name => isDatabaseFile(name) || name === COMMITS_FILE)) {
    throw new OrthrusError('unavailable', `there is no database in ${directory}`, {
      hint: 'run: orthrus init REALM, or name the folder of one with --data',
    })
  }
  const opened = names.filter(name => isDatabaseFile(name) || BESIDE.has(name))
  await requireFiles(directory, opened)
  const database = levelOf(directory)
  await database.open({ createIfMissing: false, errorIfExists: true }).then(
    () => database.close(),
    error => {
      if (levelCode(error) === 'LEVEL_LOCKED') throw error
    },
  )
}
