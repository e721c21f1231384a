import { appendFile, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { wasClosedCleanly } from '../../../../kdc/store/level/clean-close.js'
import { openLevelStore } from '../../../../kdc/store/level/store.js'
import { type Logger, silentLogger } from '../../../../shared/logger.js'

let folder = ''
let directory = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-rest-'))
  directory = join(folder, 'db')
  const store = await openLevelStore(directory, { create: true })
  await store.commit([{ kind: 'principal', name: 'web', expected: 0, value: new Uint8Array([1]) }])
  await store.close()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const fileEnding = async (ending: string) =>
  join(directory, (await readdir(directory)).find(name => name.endsWith(ending)) as string)

const loggerInto = (lines: string[]): Logger => ({
  ...silentLogger,
  warn: (_, message) => lines.push(message),
})

describe('a database that was closed in order', () => {
  it('has the clean mark until it is opened', async () => {
    expect(await wasClosedCleanly(directory)).toBe(true)
    const store = await openLevelStore(directory, { create: false })
    expect(await wasClosedCleanly(directory)).toBe(false)
    await store.close()
    expect(await wasClosedCleanly(directory)).toBe(true)
  })

  it.each<[string, () => Promise<unknown>]>([
    ['a log that grew', async () => appendFile(await fileEnding('.log'), 'x')],
    ['a log written again with the same bytes', async () => writeFile(await fileEnding('.log'), '')],
    [
      'a file renamed there and back',
      async () => {
        const log = await fileEnding('.log')
        await rename(log, `${log}.away`)
        await rename(`${log}.away`, log)
      },
    ],
    ['a time of change set back', async () => utimes(await fileEnding('.log'), 0, 0)],
    ['a file more', () => writeFile(join(directory, '000099.ldb'), '')],
    ['COMMITS changed', () => appendFile(join(directory, 'COMMITS'), ' ')],
    ['REST changed', () => appendFile(join(directory, 'REST'), ' ')],
    ['REST missing', () => rm(join(directory, 'REST'))],
  ])('has no valid clean mark after %s', async (_, change) => {
    await change()
    expect(await wasClosedCleanly(directory)).toBe(false)
  })

  it('has the clean mark as soon as it is made', async () => {
    const logged: string[] = []
    const logger = loggerInto(logged)
    const store = await openLevelStore(join(folder, 'new'), { create: true, logger })
    expect(logged).toEqual([])
    await store.close()
  })

  it('has its records with or without the mark', async () => {
    for (const rest of [true, false]) {
      if (!rest) await rm(join(directory, 'REST'))
      const logged: string[] = []
      const store = await openLevelStore(directory, { create: false, logger: loggerInto(logged) })
      expect((await store.get('principal', 'web'))?.value).toEqual(new Uint8Array([1]))
      expect(logged, 'nobody waits without a word').toEqual(
        rest ? [] : [expect.stringContaining('was not closed in order')],
      )
      await store.close()
    }
  })
})
