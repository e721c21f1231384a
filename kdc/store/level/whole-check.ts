import { join } from 'node:path'
import { OrthrusError } from '../../../shared/errors.js'
import { COMMITS_FILE, readCommits } from './commit-count.js'
import { type Database, levelOf, readTally } from './database.js'
import { damaged, levelCode } from './failure.js'
import {
  fileNumber,
  isDatabaseFile,
  isLogFile,
  isTableFile,
  ReadRoom,
  readFolder,
  readFolderFile,
  withTrialFolder,
} from './folder.js'
import { commitsInLog } from './log-check.js'
import { requireRecords } from './record-check.js'
import { isWholeTable } from './table-check.js'
import type { Tally } from './tally.js'

/**
 * Whether everything in a database is there and as it was written. LevelDB itself does not check that.
 *
 * A database is its tables and, in logs, the commits since the last table was made. Each byte of both is under a
 * checksum, and each commit has a number. So none is missing if the tables are whole that LevelDB says there are, the
 * logs go on with the next commit after the last one in the tables, LevelDB has the last one that they have, and that is
 * not older than COMMITS says. That takes as long as reading the files. To read every record too, and add them up, takes
 * ten times as long: it would also show what a fault of LevelDB, or of the memory that it wrote from, had done before
 * there were checksums.
 */

/** How much of a database is read before it opens. */
export type Reading = 'files' | 'records'

/** Checks that every record is as it was written, that none is missing, and that no acknowledged commit is missing. */
export async function requireWhole(
  directory: string,
  { whole, broken }: SortedFiles,
  reading: Reading,
): Promise<void> {
  const trial = <T>(files: readonly string[], use: (database: Database) => Promise<T>): Promise<T> =>
    withTrialFolder(directory, files, at => tryOpen(at, use)).catch(cause => {
      // LevelDB reports the file as missing, because it was not there in the trial.
      if (levelCode(cause) !== 'LEVEL_CORRUPTION' || broken.length === 0) throw cause
      throw damaged(directory, `${broken.join(', ')} not as written`, cause)
    })
  const inTables = await trial(
    whole.filter(name => !isLogFile(name)),
    database => readTally(directory, database),
  )
  const last = await lastCommit(directory, whole.filter(isLogFile), inTables)
  const { commits } = await trial(whole, async database => {
    const tally = await readTally(directory, database)
    if (reading === 'records') await requireRecords(directory, database, tally)
    return tally
  })
  await requireCommits(directory, commits)
  if (commits !== last) throw damaged(directory, 'its log is not as it was written')
}

export interface SortedFiles {
  readonly whole: readonly string[]
  readonly broken: readonly string[]
}

/** A broken table does no harm by itself: there is no record yet of one that a killed process was just making. */
export async function sortFiles(directory: string): Promise<SortedFiles> {
  const whole: string[] = []
  const broken: string[] = []
  const names = (await readFolder(directory)).filter(isDatabaseFile)
  const tables = names.filter(isTableFile)
  // Each is read while the one before is checked, into the memory of the one before that.
  const rooms = [new ReadRoom(), new ReadRoom()] as const
  const read = (i: number): Promise<Buffer> | undefined => {
    const name = tables[i]
    const reading = name === undefined ? undefined : readFolderFile(join(directory, name), rooms[i % 2])
    // Looked at in its turn.
    reading?.catch(() => undefined)
    return reading
  }
  let next = read(0)
  for (const [i, name] of tables.entries()) {
    const file = await next
    next = read(i + 1)
    const files = file !== undefined && isWholeTable(file) ? whole : broken
    files.push(name)
  }
  return { whole: [...whole, ...names.filter(name => !isTableFile(name))], broken }
}

async function tryOpen<T>(trial: string, use: (database: Database) => Promise<T>): Promise<T> {
  const database = levelOf(trial)
  await database.open({ createIfMissing: false })
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}

/** @returns the number of the last commit that tables and logs have. @throws OrthrusError `unavailable` for a gap */
async function lastCommit(directory: string, logs: readonly string[], { commits }: Tally): Promise<number> {
  const room = new ReadRoom()
  let last = commits
  for (const name of [...logs].sort((a, b) => fileNumber(a) - fileNumber(b))) {
    for (const commit of commitsInLog(await readFolderFile(join(directory, name), room))) {
      // A log that has become a table may still be there.
      if (commit > last + 1) throw damaged(directory, `commits are missing before those in ${name}`)
      last = Math.max(last, commit)
    }
  }
  return last
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
