import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Turns } from '../../../../kdc/store/level/background-check.js'
import { wasClosedCleanly } from '../../../../kdc/store/level/clean-close.js'
import { openLevelStore, openUnreadStore, type UnreadStore } from '../../../../kdc/store/level/store.js'
import type { Store } from '../../../../kdc/store/store.js'
import { type Logger, silentLogger } from '../../../../shared/logger.js'
import { put, remove, show } from '../store-suite.js'

/** A database that was not closed in order opens when its files were checked; its records are read afterwards. */

const RECORDS = 300
let folder = ''
let directory = ''
const stores: Store[] = []
const logged: string[] = []
const logger: Logger = {
  ...silentLogger,
  warn: (_, message) => logged.push(message),
  info: (_, message) => logged.push(message),
}

const nameOf = (i: number): string => `record ${String(i).padStart(3, '0')}`

beforeEach(async () => {
  logged.length = 0
  folder = await mkdtemp(join(tmpdir(), 'orthrus-unread-'))
  directory = join(folder, 'db')
  const store = await openLevelStore(directory, { create: true })
  await store.commit(Array.from({ length: RECORDS }, (_, i) => put(nameOf(i), 0, `value ${i}`)))
  await store.commit([put(nameOf(7), 1, 'changed'), remove(nameOf(8), 1)])
  await store.close()
  await rm(join(directory, 'REST'))
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  await rm(folder, { recursive: true, force: true })
})

async function openUnread(at = directory): Promise<UnreadStore> {
  const unread = await openUnreadStore(at, logger)
  stores.push(unread.store)
  return unread
}

/** As a fault of LevelDB, or of the memory that it wrote from, would leave it: each file is whole. */
async function tamper(name: string, value: string | undefined, version = 1, at = directory): Promise<void> {
  const database = new Level<string, Uint8Array>(at, { valueEncoding: 'view', compression: false })
  const stored = Buffer.concat([Buffer.from([0, 0, 0, 0, 0, version]), Buffer.from(value ?? '')])
  if (value === undefined) await database.del(`principal\0${name}`)
  else await database.put(`principal\0${name}`, stored)
  // What it wrote is in its log, which the store would refuse: this makes a table of it.
  await (database as unknown as { compactRange(from: string, to: string): Promise<void> }).compactRange(
    '',
    '\uffff',
  )
  await database.close()
}

const AT_ONCE: Turns = { page: async () => {}, retry: async () => {} }

/** Lets nobody go on until it is released. */
function gate(): { readonly turns: Turns; readonly waiting: Promise<void>; release(): void } {
  let release = (): void => {}
  let arrive = (): void => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const waiting = new Promise<void>(resolve => {
    arrive = resolve
  })
  const page = (): Promise<void> => {
    arrive()
    return released
  }
  return { turns: { ...AT_ONCE, page }, waiting, release }
}

const READ = 'every record of the database was read, and is as it was written'
const DAMAGED = {
  code: 'unavailable',
  message: expect.stringContaining('is damaged: its records do not add up'),
  facts: { hint: expect.stringMatching(/backup/) },
}

describe('a database whose records were not read before it opened', () => {
  it('serves before they are, and has the clean mark only after they were', async () => {
    const { store, check } = await openUnread()
    expect(logged).toEqual([expect.stringContaining('its files are checked before it opens')])
    expect(check.state).toBe('unread')
    expect(await show(store, nameOf(7))).toBe('changed@2')
    await store.close()
    expect(await wasClosedCleanly(directory)).toBe(false)

    const again = await openUnread()
    const { turns, waiting, release } = gate()
    again.check.begin(turns)
    await waiting
    expect(again.check.state).toBe('reading')
    await again.store.commit([put('new', 0, 'x'), remove(nameOf(9), 1)])
    release()
    await expect.poll(() => again.check.state).toBe('whole')
    expect(logged.at(-1)).toBe(READ)
    await again.store.close()
    expect(await wasClosedCleanly(directory)).toBe(true)

    const { check: third } = await openUnread()
    expect(third.state).toBe('whole')
  })

  it('is read from the start again by the process after one that was killed meanwhile', async () => {
    const { check } = await openUnread()
    const { turns, waiting, release } = gate()
    check.begin(turns)
    await waiting
    const left = join(folder, 'left')
    await cp(directory, left, { recursive: true })
    release()
    for (const _ of [1, 2]) {
      const next = await openUnread(left)
      expect(next.check.state).toBe('unread')
      let turns = 0
      next.check.begin({
        ...AT_ONCE,
        page: async () => {
          turns++
        },
      })
      await expect.poll(() => next.check.state).toBe('whole')
      expect(turns).toBe(2)
      // As a kill leaves it.
      await next.store.close()
      await rm(join(left, 'REST'))
    }
  })

  it('closes in the middle of it', async () => {
    const { store, check } = await openUnread()
    const { turns, waiting } = gate()
    check.begin(turns)
    await waiting
    await store.close()
    expect(await wasClosedCleanly(directory)).toBe(false)
    await expect(store.get('principal', nameOf(1))).rejects.toThrow(/has been closed/)
  })

  it('is read from the start again if it is compacted meanwhile', async () => {
    const { store, check } = await openUnread()
    const { turns, waiting, release } = gate()
    check.begin(turns)
    await waiting
    const compacted = store.compact()
    release()
    await compacted
    await expect.poll(() => check.state).toBe('whole')
    await store.commit([put('after', 0, 'x')])
  })

  describe.each([
    ['a record of other bytes', nameOf(150), 'another value', 1],
    ['an older version of a record', nameOf(7), 'value 7', 1],
    ['a record that was deleted', nameOf(8), 'value 8', 1],
    ['a record that nobody committed', 'stranger', 'x', 1],
    ['a record missing', nameOf(150), undefined, 1],
  ] as const)('with %s', (_, name, value, version) => {
    it('does nothing any more once that is found, and is read before it opens again', async () => {
      const before = join(folder, 'before')
      await cp(directory, before, { recursive: true })
      await tamper(name, value, version)
      const { store, check } = await openUnread()
      check.begin(AT_ONCE)
      expect(await check.damage).toMatchObject(DAMAGED)
      expect(check.state).toBe('damaged')
      await expect(store.get('principal', nameOf(1))).rejects.toMatchObject(DAMAGED)
      await expect(store.list('principal', { limit: 1 })).rejects.toMatchObject(DAMAGED)
      await expect(store.snapshot()).rejects.toMatchObject(DAMAGED)
      await expect(store.commit([put('a', 0, 'x')])).rejects.toMatchObject(DAMAGED)
      await expect(store.requireWritable?.()).rejects.toMatchObject(DAMAGED)
      await expect(store.compact()).rejects.toMatchObject(DAMAGED)
      await store.close()
      expect(await wasClosedCleanly(directory)).toBe(false)

      for (const _again of [1, 2]) await expect(openUnread()).rejects.toMatchObject(DAMAGED)
      await expect(openLevelStore(directory, { create: false })).rejects.toMatchObject(DAMAGED)
      // Where somebody puts the database back, and not the folder.
      for (const file of await readdir(directory)) {
        if (file !== 'SUSPECT') await rm(join(directory, file))
      }
      await cp(before, directory, { recursive: true })
      expect((await openUnread()).check.state).toBe('whole')
      await expect(stat(join(directory, 'SUSPECT'))).rejects.toMatchObject({ code: 'ENOENT' })
    })

    it('is found out although that very record, and others, are changed meanwhile', async () => {
      await tamper(name, value, version)
      const { store, check } = await openUnread()
      const { turns, waiting, release } = gate()
      check.begin(turns)
      await waiting
      const found = await store.get('principal', name)
      await store.commit([put(name, found?.version ?? 0, 'changed by an administrator'), put('more', 0, 'x')])
      if (found === undefined) await store.commit([remove(name, 1)])
      // The check has its own moment: the next one has what was changed.
      await store.compact().catch(() => undefined)
      release()
      expect(await check.damage).toMatchObject(DAMAGED)
    })

    it('is not opened by those who read everything first', async () => {
      await tamper(name, value, version)
      await expect(openLevelStore(directory, { create: false })).rejects.toMatchObject(DAMAGED)
    })
  })

  it('does not open without the commits of a damaged block of its log, where those behind it are whole', async () => {
    const store = await openLevelStore(join(folder, 'logged'), { create: true })
    stores.push(store)
    for (let i = 0; i < 6; i++) await store.commit([put(nameOf(i), 0, 'x'.repeat(20_000))])
    const left = join(folder, 'left')
    await cp(join(folder, 'logged'), left, { recursive: true })
    const [log = ''] = (await readdir(left)).filter(name => name.endsWith('.log'))
    const bytes = await readFile(join(left, log))
    bytes[100] = (bytes[100] as number) ^ 1
    await writeFile(join(left, log), bytes)
    await expect(openUnread(left)).rejects.toMatchObject({
      message: expect.stringContaining('its log is not as it was written'),
    })
  })

  it('does not open where its tables are older than its log goes on', async () => {
    const at = join(folder, 'rolled')
    const commit = async (create: boolean, names: readonly string[]): Promise<Store> => {
      const store = await openLevelStore(at, { create })
      for (const name of names) await store.commit([put(name, 0, name)])
      return store
    }
    await (await commit(true, ['a', 'b'])).close()
    await (await commit(false, [])).close()
    const left = join(folder, 'left')
    await cp(at, left, { recursive: true })
    await (await commit(false, ['c', 'd'])).close()
    stores.push(await commit(false, ['e', 'f']))
    for (const name of await readdir(at)) {
      if (name.endsWith('.log') || name === 'COMMITS') await cp(join(at, name), join(left, name))
    }
    await expect(openUnread(left)).rejects.toMatchObject({
      message: expect.stringMatching(/commits are missing before those in \d+\.log/),
    })
  })

  it('is read again later where its records cannot be read now, and is not damaged for that', async () => {
    const { check } = await openUnread()
    const failing = vi
      .spyOn(Level.prototype, 'getMany')
      .mockRejectedValueOnce(
        Object.assign(new Error('IO error: 000005.ldb: Too many open files'), { code: 'LEVEL_IO_ERROR' }),
      )
    let retries = 0
    check.begin({
      ...AT_ONCE,
      retry: async () => {
        retries++
      },
    })
    await expect.poll(() => check.state).toBe('whole')
    expect(failing).toHaveBeenCalled()
    expect(retries).toBe(1)
    expect(logged).toContain('the records of the database cannot be read now: it is tried again')
  })

  describe('and that is opened again after a write that failed', () => {
    const failWrite = async (store: Store): Promise<void> => {
      vi.spyOn(Level.prototype, 'batch').mockRejectedValueOnce(new Error('IO error: no space left on device'))
      await expect(store.commit([put('failed', 0, 'x')])).rejects.toMatchObject({ code: 'unavailable' })
    }

    it('is read from the start again, as it is then, and has the clean mark after that', async () => {
      const { store, check } = await openUnread()
      const { turns, waiting, release } = gate()
      check.begin(turns)
      await waiting
      await failWrite(store)
      await store.commit([put('after', 0, 'x')])
      release()
      await expect.poll(() => check.state).toBe('whole')
      await store.close()
      expect(await wasClosedCleanly(directory)).toBe(true)
    })

    it('is read again although it was read before, as only its files were checked', async () => {
      const { store, check } = await openUnread()
      let pages = 0
      check.begin({
        ...AT_ONCE,
        page: async () => {
          pages++
        },
      })
      await expect.poll(() => check.state).toBe('whole')
      const before = pages
      await failWrite(store)
      await store.commit([put('after', 0, 'x')])
      await expect.poll(() => logged.filter(line => line === READ).length).toBe(2)
      expect(check.state).toBe('whole')
      expect(pages).toBeGreaterThan(before)
    })

    it('is found to be damaged', async () => {
      await tamper('stranger', 'x')
      const { store, check } = await openUnread()
      const { turns, waiting, release } = gate()
      check.begin(turns)
      await waiting
      await failWrite(store)
      await store.commit([put('after', 0, 'x')])
      release()
      expect(await check.damage).toMatchObject(DAMAGED)
      await expect(store.get('principal', 'after')).rejects.toMatchObject(DAMAGED)
    })

    it('has no clean mark where it closes before it was opened again', async () => {
      const { store, check } = await openUnread()
      check.begin(AT_ONCE)
      await expect.poll(() => check.state).toBe('whole')
      await failWrite(store)
      await store.close()
      expect(await wasClosedCleanly(directory)).toBe(false)
    })
  })

  it('is damaged where LevelDB says so', async () => {
    const { check } = await openUnread()
    vi.spyOn(Level.prototype, 'getMany').mockRejectedValueOnce(
      Object.assign(new Error('Corruption: bad block contents'), { code: 'LEVEL_CORRUPTION' }),
    )
    check.begin(AT_ONCE)
    expect(await check.damage).toMatchObject({ message: expect.stringContaining('bad block contents') })
  })

  it('refuses what waits for its turn to be committed when damage is found', async () => {
    await tamper('stranger', 'x')
    const { store, check } = await openUnread()
    check.begin(AT_ONCE)
    let [made, refused] = [0, 0]
    while (refused === 0) {
      await store.commit([put(`round ${made}`, 0, 'x')]).then(
        () => made++,
        () => refused++,
      )
    }
    expect(await check.damage).toMatchObject(DAMAGED)
    expect(refused).toBe(1)
  })
})
