import { Level } from 'level'
import { damaged } from './failure.js'
import { decodeTally, EMPTY_TALLY, TALLY_KEY, type Tally } from './tally.js'

/** LevelDB as the store uses it. */

export type Database = Level<string, Uint8Array>

/** An open database, and the tally of its records. */
export interface OpenDatabase {
  readonly database: Database
  readonly tally: Tally
  /** Whether every record was read when it was opened, or before it was closed in order. */
  readonly isRead: boolean
}

/**
 * Tables, of 2 to 4 MiB, that are mapped into memory at a time, and files besides. LevelDB takes no lower number. Without
 * it all of a database would count as memory of the process once it was read.
 */
const OPEN_FILES = 64 + 10

export function levelOf(directory: string): Database {
  return new Level(directory, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    // Sealed values cannot be compressed.
    compression: false,
    maxOpenFiles: OPEN_FILES,
  })
}

/**
 * Writes every table again without what was replaced or deleted, and removes the old ones. The log, which has the newest
 * records, becomes a table first.
 */
export async function compactTables(database: Database): Promise<void> {
  // Of LevelDB alone, and so not among the types of all databases.
  const level = database as unknown as { compactRange(from: string, to: string): Promise<void> }
  await level.compactRange('', '\uffff')
}

/** @throws OrthrusError `unavailable` if it is not as it was written */
export async function readTally(directory: string, database: Database): Promise<Tally> {
  const bytes: Uint8Array | undefined = await database.get(TALLY_KEY)
  const tally = bytes === undefined ? EMPTY_TALLY : decodeTally(bytes)
  if (tally === undefined) throw damaged(directory, 'its tally is not as it was written')
  return tally
}
