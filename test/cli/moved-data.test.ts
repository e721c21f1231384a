import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { takeAway } from '../../cli/moved-data.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { temporaryFolder } from '../end-to-end/processes.js'

/** A program that has a database open until it is told to end. */
const HOLDER = `
const { ClassicLevel } = require('classic-level')
const level = new ClassicLevel(process.argv[1])
level.open().then(() => process.stdout.write('open'))
process.stdin.on('end', () => process.exit()).resume()
`

it('a database that a KDC opens just before it is renamed is not taken away from it', async () => {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const store = await openLevelStore(join(folder, 'db'), { create: true })
  const taken = takeAway(folder, async () => {
    await store.close()
    const holder = spawn(process.execPath, ['-e', HOLDER, join(folder, 'db')])
    onTestFinished(async () => {
      const over = once(holder, 'close')
      holder.stdin.end()
      await over
    })
    await once(holder.stdout, 'data')
  })
  await expect(taken).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('in use'),
  })
})
