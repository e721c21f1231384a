import { Level } from 'level'
import { damaged } from './failure.js'
import { decodeTally, EMPTY_TALLY, TALLY_KEY, type Tally } from './tally.js'

/** LevelDB as the store uses it. */

export type Database = Level<string, Uint8Array>

/** A database that is open, and what it adds up to. */
export interface OpenDatabase {
  readonly database: Database
  readonly tally: Tally
}

export function levelOf(directory: string): Database {
  // Sealed values do not get smaller.
  return new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view', compression: false })
}

/** @throws OrthrusError `unavailable` where it is not as it was written */
export async function readTally(directory: string, database: Database): Promise<Tally> {
  const bytes: Uint8Array | undefined = await database.get(TALLY_KEY)
  const tally = bytes === undefined ? EMPTY_TALLY : decodeTally(bytes)
  if (tally === undefined) throw damaged(directory, 'its tally is not as it was written')
  return tally
}
