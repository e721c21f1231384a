import { Level } from 'level'
import { damaged } from './failure.js'
import { decodeTally, EMPTY_TALLY, TALLY_KEY, type Tally } from './tally.js'

/** LevelDB as the store uses it. */

export type Database = Level<string, Uint8Array>

/** An open database, and the tally of its records. */
export interface OpenDatabase {
  readonly database: Database
  readonly tally: Tally
}

export function levelOf(directory: string): Database {
  // Sealed values cannot be compressed.
  return new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view', compression: false })
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
