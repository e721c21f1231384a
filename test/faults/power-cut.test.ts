import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../../client/connect.js'
import { DATA_FILES } from '../../kdc/data-files.js'
import { startKdc } from '../../kdc/main.js'
import { openUnreadStore } from '../../kdc/store/level/store.js'
import type { Store } from '../../kdc/store/store.js'
import { silentLogger } from '../../shared/logger.js'
import { root, temporaryFolder } from '../end-to-end/processes.js'
import { type Chance, seededChance } from '../support/chance.js'
import { Disk, LUCK, type Luck } from './disk.js'
import { type DiskEvent, traceDisk, tracing } from './disk-trace.js'

/**
 * A power cut, which takes what was not synced. The calls of one run are traced. For each moment the disk is rebuilt as
 * it may then be left, and opened.
 */

const slow = process.env.ORTHRUS_SLOW === '1'
/**
 * Cuts come after each commit, and at this many other moments. Large commits fill a log of LevelDB's, so that it begins
 * another while it commits.
 */
const RUNS = slow
  ? [
      { commits: 40, bytes: 100, cuts: 400 },
      { commits: 12, bytes: 400_000, cuts: 20 },
    ]
  : [{ commits: 8, bytes: 100, cuts: 15 }]

const canTrace = await tracing()
if (canTrace !== true) console.log(`power cuts are not tried here, for want of strace: ${canTrace}`)

let folder = ''
let remove = async (): Promise<void> => {}
beforeEach(async () => {
  ;({ folder, remove } = await temporaryFolder())
  await mkdir(join(folder, 'disk'))
})
afterEach(() => remove())

const spoken = (event: DiskEvent, prefix: string): boolean =>
  event.call === 'write' && event.fd === 1 && event.bytes.toString().startsWith(prefix)

/** How many commits there are; they must be the first ones, each complete. */
async function commitsIn(store: Store): Promise<number> {
  const listed = await store.list('principal', { limit: 1000 })
  const last = await store.get('realm', 'last')
  expect(last?.version ?? 0).toBe(listed.length)
  for (let i = 0; i < listed.length; i++) {
    expect(await store.get('principal', `commit ${i}`), `commit ${i}`).toBeDefined()
  }
  const newest = listed.find(({ name }) => name === `commit ${listed.length - 1}`)
  expect(newest?.value).toEqual(last?.value)
  return listed.length
}

async function openAfterCut(disk: Disk, luck: Luck, chance: Chance): Promise<number> {
  const left = join(folder, 'left')
  await mkdir(left)
  try {
    await disk.leave(luck, chance, left)
    const { store } = await openUnreadStore(join(left, 'db'), silentLogger)
    try {
      return await commitsIn(store)
    } finally {
      await store.close()
    }
  } finally {
    await rm(left, { recursive: true })
  }
}

describe.runIf(canTrace === true)('a power cut', { timeout: 600_000 }, () => {
  it.each(RUNS)(
    'at any of $commits commits of $bytes bytes loses no finished one, and leaves none in part',
    async ({ commits, bytes, cuts }) => {
      const chance = seededChance('power cuts')
      const program = join(root, 'dist/test/faults/commits-process.js')
      const database = join(folder, 'disk/db')
      const events = await traceDisk(folder, [process.execPath, program, database, `${commits}`, `${bytes}`])
      expect(events.filter(event => spoken(event, 'done ')).length).toBe(commits)
      const disk = new Disk(join(folder, 'disk'))
      const first = events.findIndex(event => spoken(event, 'done '))
      let [done, tried] = [0, 0]
      for (const [i, event] of events.entries()) {
        if (spoken(event, 'done ')) done += 1
        const changed = disk.apply(event)
        if (i < first || !(changed || spoken(event, 'done '))) continue
        if (chance.below(events.length - first) > cuts && !spoken(event, 'done ')) continue
        for (const luck of LUCK) {
          const found = await openAfterCut(disk, luck, chance)
          expect(found, `after ${done} with ${luck} of the rest`).toBeGreaterThanOrEqual(done)
          expect(found).toBeLessThanOrEqual(done + 1)
          tried += 1
        }
      }
      console.log(`${tried} power cuts in ${events.length} calls`)
    },
  )

  it('right after a realm is made leaves it whole, with its keys', async () => {
    const data = join(folder, 'disk/new/data')
    const cli = join(root, 'dist/cli/orthrus.js')
    const events = await traceDisk(folder, [process.execPath, cli, 'init', 'demo.example', '--data', data])
    const end = events.findIndex(event => spoken(event, 'made the realm'))
    // What the command does before it says so is all that may be needed.
    expect(end).toBeGreaterThan(0)
    const disk = new Disk(join(folder, 'disk'))
    for (const event of events.slice(0, end)) disk.apply(event)
    const left = join(folder, 'left')
    await mkdir(left)
    await disk.leave('nothing', seededChance('a power cut'), left)
    const kdc = await startKdc({ dataDirectory: join(left, 'new/data'), listen: { port: 0 } })
    const admin = await connect({ kdc: kdc.url, keytab: join(left, 'new/data', DATA_FILES.ADMIN_KEYTAB) })
    await admin.getTgt()
    admin.close()
    await kdc.close()
  })
})
