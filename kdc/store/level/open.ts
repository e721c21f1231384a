import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { OrthrusError } from '../../../shared/errors.js'
import { createFolder, syncFolder } from '../../../shared/folder.node.js'
import type { Logger } from '../../../shared/logger.js'
import { endRest, isAtRest, recordRest } from './clean-close.js'
import { COMMITS_FILE, readCommits } from './commit-count.js'
import { damaged, explainFailure, levelCode } from './failure.js'
import { isDatabaseFile, isTableFile, readFolder, removeTrials, withTrialFolder } from './folder.js'
import { isWholeTable } from './table-check.js'
import { decodeTally, EMPTY_TALLY, TALLY_KEY, type Tally, toggleRecord } from './tally.js'

export type Database = Level<string, Uint8Array>

export interface OpenDatabase {
  readonly database: Database
  readonly tally: Tally
}

const PAGE = 256
/** Said before it is done: it takes about 10 s for a million principals, and nothing answers meanwhile. */
const LOOKING_THROUGH =
  'the database was not closed in order, or was changed since: every record is read before it opens'

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
    await recordRest(directory)
  } catch (cause) {
    throw explainFailure(directory, 'cannot be made', cause)
  }
}

/**
 * Opens what is there, if it is all there: one that was not closed in order, or was changed since, first on trial, by
 * links to its files, where LevelDB may drop what it likes; then the files themselves.
 * @throws OrthrusError `unavailable`; the files are as they were.
 */
export async function openDatabase(directory: string, logger: Logger): Promise<OpenDatabase> {
  try {
    await requireUnlocked(directory)
    await removeTrials(directory)
    const files = await sortFiles(directory)
    if (files.broken.length > 0 || !(await isAtRest(directory))) {
      logger.warn({ directory }, LOOKING_THROUGH)
      await requireWhole(directory, files)
    }
    await endRest(directory)
    const database = levelOf(directory)
    await database.open({ createIfMissing: false })
    // LevelDB names files anew while it opens, and does not see to it that the names last.
    await syncFolder(directory)
    return { database, tally: await readTally(directory, database) }
  } catch (cause) {
    throw explainFailure(directory, 'cannot be opened', cause)
  }
}

function levelOf(directory: string): Database {
  // Sealed values do not get smaller.
  return new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view', compression: false })
}

/** LevelDB looks at its lock before it looks at whether there is a database, and here goes no further. */
async function requireUnlocked(directory: string): Promise<void> {
  const names = await readFolder(directory)
  if (!names.some(name => isDatabaseFile(name) || name === COMMITS_FILE)) {
    throw new OrthrusError('unavailable', `there is no database in ${directory}`, {
      hint: 'run: orthrus init REALM, or name the folder of one with --data',
    })
  }
  const database = levelOf(directory)
  await database.open({ createIfMissing: false, errorIfExists: true }).then(
    () => database.close(),
    error => {
      if (levelCode(error) === 'LEVEL_LOCKED') throw error
    },
  )
}

/** Every record as it was written, none missing, and no commit missing that was acknowledged. */
async function requireWhole(directory: string, { whole, broken }: SortedFiles): Promise<void> {
  const tally = await withTrialFolder(directory, whole, trial => tryOpen(directory, trial)).catch(cause => {
    // To LevelDB the file is missing, as it was not there in the trial.
    if (levelCode(cause) !== 'LEVEL_CORRUPTION' || broken.length === 0) throw cause
    throw damaged(directory, `${broken.join(', ')} not as written`, cause)
  })
  await requireCommits(directory, tally.commits)
}

interface SortedFiles {
  readonly whole: readonly string[]
  readonly broken: readonly string[]
}

/** A broken table is no harm by itself: of what a killed process was just making there is no record yet. */
async function sortFiles(directory: string): Promise<SortedFiles> {
  const whole: string[] = []
  const broken: string[] = []
  for (const name of (await readFolder(directory)).filter(isDatabaseFile)) {
    const isWhole = !isTableFile(name) || isWholeTable(await readFile(join(directory, name)))
    const files = isWhole ? whole : broken
    files.push(name)
  }
  return { whole, broken }
}

async function tryOpen(directory: string, trial: string): Promise<Tally> {
  const database = levelOf(trial)
  await database.open({ createIfMissing: false })
  try {
    const tally = await readTally(directory, database)
    const sum = await addUp(directory, database)
    if (!sum.every((byte, i) => byte === tally.sum[i])) throw damaged(directory, 'its records do not add up')
    return tally
  } finally {
    await database.close()
  }
}

async function requireCommits(directory: string, commits: number): Promise<void> {
  const expected = await readCommits(directory)
  if (expected === undefined) throw damaged(directory, `${COMMITS_FILE} is not as it was written`)
  if (commits < expected) {
    throw new OrthrusError('unavailable', `the last commits of the database in ${directory} are missing`, {
      expected,
      actual: commits,
      hint: `nothing was changed: restore the folder from a backup, or remove ${COMMITS_FILE} in it to accept the loss`,
    })
  }
}

/** Each record is also looked up, since LevelDB finds a record by other means than it lists it. */
async function addUp(directory: string, database: Database): Promise<Uint8Array> {
  const sum = EMPTY_TALLY.sum.slice()
  const iterator = database.keys()
  for (;;) {
    const keys = await iterator.nextv(PAGE)
    if (keys.length === 0) return sum
    const values: (Uint8Array | undefined)[] = await database.getMany(keys)
    for (const [i, key] of keys.entries()) {
      const value = values[i]
      if (value === undefined) throw damaged(directory, 'a record that is listed is not found')
      if (key !== TALLY_KEY) toggleRecord(sum, key, value)
    }
  }
}

async function readTally(directory: string, database: Database): Promise<Tally> {
  const bytes: Uint8Array | undefined = await database.get(TALLY_KEY)
  const tally = bytes === undefined ? EMPTY_TALLY : decodeTally(bytes)
  if (tally === undefined) throw damaged(directory, 'its tally is not as it was written')
  return tally
}
