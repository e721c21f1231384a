import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commitsInLog } from '../../../../kdc/store/level/log-check.js'
import { openLevelStore } from '../../../../kdc/store/level/store.js'
import { put, remove } from '../store-suite.js'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-log-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function onlyLog(directory: string): Promise<Buffer> {
  const [log = ''] = (await readdir(directory)).filter(name => name.endsWith('.log'))
  return readFile(join(directory, log))
}

/** Small commits, one that is larger than a block, and one that leaves too little of a block for another part. */
async function makeLog(): Promise<Buffer> {
  const directory = join(folder, 'db')
  const store = await openLevelStore(directory, { create: true })
  await store.commit([put('a', 0, 'one'), put('b', 0, 'x'.repeat(40_000))])
  await store.commit([put('a', 1, 'two'), remove('b', 1)])
  await store.requireWritable?.()
  const left = 32_768 - ((await onlyLog(directory)).length % 32_768)
  // What is written besides the value: the header of the part and of the batch, the entry of the record, the tally.
  const besides = 7 + 12 + 1 + 1 + 'principal\0c'.length + 3 + 6 + 1 + 1 + 5 + 1 + 38
  await store.commit([put('c', 0, 'x'.repeat(left - besides - 3))])
  expect((await onlyLog(directory)).length % 32_768).toBe(32_768 - 3)
  for (let i = 0; i < 3; i++) await store.commit([put('a', 2 + i, 'x'.repeat(i * 300))])
  const log = await onlyLog(directory)
  await store.close()
  return log
}

describe('the commits in a log', () => {
  it('are all of them, over the ends of blocks', async () => {
    expect(commitsInLog(await makeLog())).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it('are those before the first byte that is not as it was written, or is not there', async () => {
    const log = await makeLog()
    const step = process.env.ORTHRUS_SLOW === '1' ? 7 : 311
    let [cut, turned] = [0, 0]
    for (let place = 0; place < log.length; place += step) {
      const some = commitsInLog(log.subarray(0, place))
      expect(some).toEqual([1, 2, 3, 4, 5, 6, 7].slice(0, some.length))
      expect(some.length).toBeGreaterThanOrEqual(cut)
      cut = some.length
      const changed = Buffer.from(log)
      changed[place] = (changed[place] ?? 0) ^ (1 << (place % 8))
      const read = commitsInLog(changed)
      // The last bytes of a block, where no part fits in, have no meaning.
      if (read.length === 7) turned++
      else expect(read, `a bit of byte ${place}`).toEqual(some)
    }
    expect(cut).toBe(6)
    expect(turned).toBeLessThanOrEqual(3)
  })

  it('end before a batch that has no tally, which is none of the store', async () => {
    const directory = join(folder, 'other')
    const database = new Level<string, Uint8Array>(directory, { valueEncoding: 'view' })
    await database.put('principal\0a', new Uint8Array([0, 0, 0, 0, 0, 1]))
    expect(commitsInLog(await onlyLog(directory))).toEqual([])
    await database.close()
  })

  it('are none in what is no log', () => {
    for (const length of [0, 1, 6, 7, 8, 32_767, 32_768, 70_000]) {
      expect(commitsInLog(new Uint8Array(length))).toEqual([])
      expect(commitsInLog(new Uint8Array(length).fill(255))).toEqual([])
    }
  })
})
