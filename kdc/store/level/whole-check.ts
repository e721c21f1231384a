import { join } from 'node:path'
import { OrthrusError } from '../../../shared/errors.js'
import { COMMITS_FILE, readCommits } from './commit-count.js'
import { type Database, levelOf, readTally } from './database.js'
import { damaged, levelCode } from './failure.js'
import { isDatabaseFile, isTableFile, readFolder, readFolderFile, withTrialFolder } from './folder.js'
import { isWholeTable } from './table-check.js'
import { EMPTY_TALLY, TALLY_KEY, type Tally, toggleRecord } from './tally.js'

/** Whether everything in a database is there and as it was written. LevelDB itself does not check that. */

/** How many keys are read at a time. */
const PAGE = 256

/** Checks that every record is as it was written, that none is missing, and that no acknowledged commit is missing. */
export async function requireWhole(directory: string, { whole, broken }: SortedFiles): Promise<void> {
  const tally = await withTrialFolder(directory, whole, trial => tryOpen(directory, trial)).catch(cause => {
    // LevelDB reports the file as missing, because it was not there in the trial.
    if (levelCode(cause) !== 'LEVEL_CORRUPTION' || broken.length === 0) throw cause
    throw damaged(directory, `${broken.join(', ')} not as written`, cause)
  })
  await requireCommits(directory, tally.commits)
}

export interface SortedFiles {
  readonly whole: readonly string[]
  readonly broken: readonly string[]
}

/** A broken table does no harm by itself: there is no record yet of one that a killed process was just making. */
export async function sortFiles(directory: string): Promise<SortedFiles> {
  const whole: string[] = []
  const broken: string[] = []
  for (const name of (await readFolder(directory)).filter(isDatabaseFile)) {
    const isWhole = !isTableFile(name) || isWholeTable(await readFolderFile(join(directory, name)))
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

/** Each record is also looked up, since LevelDB finds a record in another way than it lists it. */
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
