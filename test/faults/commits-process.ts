import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { openLevelStore } from '../../kdc/store/level/store.js'

/** Commits to a store, and says each one when it is done. Arguments: folder, commits, bytes of each. */

const [directory = '', commits, bytes] = process.argv.slice(2)
const HALVES = 2
for (let half = 0; half < HALVES; half++) {
  const store = await openLevelStore(directory, { create: half === 0 })
  const last = (half + 1) * (Number(commits) / HALVES)
  for (let i = (half * Number(commits)) / HALVES; i < last; i++) {
    const value = new Uint8Array(randomBytes(Number(bytes)))
    await store.commit([
      { kind: 'principal', name: `commit ${i}`, expected: 0, value },
      { kind: 'realm', name: 'last', expected: i, value },
    ])
    writeSync(1, `done ${i}\n`)
  }
  await store.close()
}
