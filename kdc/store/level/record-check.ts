import type { Database } from './database.js'
import { damaged } from './failure.js'
import { EMPTY_TALLY, TALLY_KEY, type Tally, toggleRecord } from './tally.js'

/** How many records are read at a time. */
const PAGE = 128

export type LevelDbSnapshot = ReturnType<Database['snapshot']>

export interface RecordCheckOptions {
  /** What to read, if not all that there is. */
  readonly snapshot?: LevelDbSnapshot
  /** Called between one page of records and the next. What it rejects with ends the check. */
  readonly turn?: () => Promise<void>
}

/**
 * Reads every record, and checks that no other was committed and that each is as it was. Each is also looked up, since
 * LevelDB finds a record in another way than it lists it.
 * @throws OrthrusError `unavailable`, or the error of LevelDB
 */
export async function requireRecords(
  directory: string,
  database: Database,
  tally: Tally,
  { snapshot, turn }: RecordCheckOptions = {},
): Promise<void> {
  // What is read once is not to take the place of what is in use.
  const options = { fillCache: false, ...(snapshot && { snapshot }) }
  const sum = EMPTY_TALLY.sum.slice()
  for (let after = ''; ; await turn?.()) {
    const keys = await database.keys({ ...options, gt: after, limit: PAGE }).all()
    const values: (Uint8Array | undefined)[] = await database.getMany(keys, options)
    for (const [i, key] of keys.entries()) {
      const value = values[i]
      if (value === undefined) throw damaged(directory, 'a record that is listed is not found')
      if (key !== TALLY_KEY) toggleRecord(sum, key, value)
    }
    const last = keys.at(-1)
    if (last === undefined || keys.length < PAGE) break
    after = last
  }
  if (!sum.every((byte, i) => byte === tally.sum[i])) throw damaged(directory, 'its records do not add up')
}
