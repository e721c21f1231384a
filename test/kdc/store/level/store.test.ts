import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CommitsFile, readCommits } from '../../../../kdc/store/level/commit-count.js'
import { openLevelStore, openUnreadStore } from '../../../../kdc/store/level/store.js'
import { isWholeTable } from '../../../../kdc/store/level/table-check.js'
import type { Store } from '../../../../kdc/store/store.js'
import { silentLogger } from '../../../../shared/logger.js'
import { describeStore, put, remove, show } from '../store-suite.js'

let folder: string
let directory: string
const stores: Store[] = []

async function makeFolder(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-level-'))
  directory = join(folder, 'db')
}

async function removeFolder(): Promise<void> {
  for (const store of stores.splice(0)) await store.close()
  await rm(folder, { recursive: true, force: true })
}

async function open(create: boolean, at = directory): Promise<Store> {
  const store = await openLevelStore(at, { create })
  stores.push(store)
  return store
}

describeStore(
  'the store on LevelDB',
  async () => {
    await makeFolder()
    return open(true)
  },
  removeFolder,
)

describe('a LevelDB folder', () => {
  beforeEach(makeFolder)
  afterEach(removeFolder)

  it('keeps what was committed', async () => {
    const store = await open(true)
    await store.commit([put('a', 0, 'one'), put('b', 0, 'two'), put('c', 0, 'gone')])
    await store.commit([put('a', 1, 'three'), remove('c', 1)])
    await store.close()
    for (let i = 0; i < 3; i++) {
      const again = await open(false)
      expect(await show(again, 'a')).toBe('three@2')
      expect(await show(again, 'b')).toBe('two@1')
      expect(await again.get('principal', 'c')).toBeUndefined()
      await again.commit([put(`round ${i}`, 0, 'x')])
      await again.close()
    }
  })

  it('keeps more than fits into one block, one log or one table', async () => {
    const store = await open(true)
    const large = (round: number) => String.fromCharCode(97 + round).repeat(700_000)
    for (let round = 0; round < 8; round++) {
      const small = Array.from({ length: 50 }, (_, i) => put(`small ${round} ${i}`, 0, 'x'.repeat(i * 40)))
      await store.commit([
        put('large', round, large(round)),
        put(`large ${round}`, 0, large(round)),
        ...small,
      ])
    }
    const whole = await store.list('principal', { limit: 1000 })
    expect(whole).toHaveLength(409)
    await store.close()
    const again = await open(false)
    const names = await readdir(directory)
    expect(names.filter(name => name.endsWith('.ldb')).length).toBeGreaterThan(1)
    const listed = await again.list('principal', { limit: 1000 })
    expect(listed.map(({ name, version }) => [name, version])).toEqual(whole.map(r => [r.name, r.version]))
    expect(Buffer.concat(listed.map(r => r.value)).equals(Buffer.concat(whole.map(r => r.value)))).toBe(true)
  })

  it('syncs every write', async () => {
    const batch = vi.spyOn(Level.prototype, 'batch')
    try {
      const store = await open(true)
      await store.commit([put('a', 0, 'x')])
      expect(batch.mock.calls.map(([, options]: unknown[]) => options)).toEqual([{ sync: true }])
    } finally {
      batch.mockRestore()
    }
  })

  it.skipIf(process.platform === 'win32')('is for its owner alone', async () => {
    directory = join(folder, 'data', 'db')
    await open(true)
    for (const made of [directory, join(folder, 'data')]) expect((await stat(made)).mode & 0o777).toBe(0o700)
  })

  it('is never made over another one or among other files', async () => {
    const store = await open(true)
    await store.commit([put('a', 0, 'x')])
    await expect(open(true)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/not empty/),
    })
    await store.close()
    await rm(join(directory, 'CURRENT'))
    await expect(open(true)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/not empty/),
    })
  })

  it('must exist to be opened, and is not made by opening', async () => {
    await expect(open(false)).rejects.toMatchObject({
      code: 'unavailable',
      facts: { hint: expect.stringMatching(/orthrus init/) },
    })
    await expect(stat(directory)).rejects.toThrow()
    await mkdir(directory)
    await expect(open(false)).rejects.toMatchObject({
      code: 'unavailable',
      facts: { hint: expect.stringMatching(/orthrus init/) },
    })
    expect(await readdir(directory)).toEqual([])
  })

  it('serves only one store in a process', async () => {
    const store = await open(true)
    await store.commit([put('a', 0, 'x')])
    await expect(open(false)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/is in use/),
    })
    await store.commit([put('a', 1, 'y')])
    expect(await show(store, 'a')).toBe('y@2')
  })

  it('serves only one process', async () => {
    await (await open(true)).close()
    const holder = fork(fileURLToPath(new URL('hold-lock.mjs', import.meta.url)), [directory])
    try {
      await once(holder, 'message')
      await expect(open(false)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(/is in use/),
        facts: { hint: 'is another orthrus kdc running on this folder?' },
      })
    } finally {
      holder.disconnect()
      await once(holder, 'exit')
    }
    await open(false)
  })

  it('opens after a process that was killed while it opened', async () => {
    const store = await open(true)
    await store.commit([put('a', 0, 'x')])
    await store.close()
    await cp(directory, join(folder, 'killed'), { recursive: true })
    await cp(join(folder, 'killed'), join(directory, 'trial-killed'), { recursive: true })
    expect(await show(await open(false), 'a')).toBe('x@1')
    expect(await readdir(directory)).not.toContain('trial-killed')
  })
})

/** With records in a table, in a log, and some of them changed or deleted since. */
async function makeDatabase(): Promise<string[]> {
  for (const round of [0, 1]) {
    const store = await open(round === 0)
    for (let i = 0; i < 10; i++) await store.commit([put(`record ${round} ${i}`, 0, `value ${round} ${i}`)])
    if (round === 1) await store.commit([put('record 0 3', 1, 'changed'), remove('record 0 4', 1)])
    await store.close()
  }
  // Of a copy: opening makes a table of the log.
  const copy = join(folder, 'whole')
  await cp(directory, copy, { recursive: true })
  return contents(copy)
}

/** Opened by its files alone: nothing that befalls a file is left to those who read every record. */
async function contents(at: string): Promise<string[]> {
  const { store } = await openUnreadStore(at, silentLogger)
  try {
    const listed = await store.list('principal', { limit: 1000 })
    for (const { name, version, value } of listed) {
      expect(await store.get('principal', name)).toEqual({ version, value })
    }
    return listed.map(({ name, version, value }) => `${name}@${version} ${Buffer.from(value)}`)
  } finally {
    await store.close()
  }
}

const slow = process.env.ORTHRUS_SLOW === '1'
/** How many places in a file are tried. */
const PLACES = slow ? 2000 : 6

function places(length: number): number[] {
  const step = Math.max(1, Math.floor(length / PLACES))
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step)
}

/** The files that hold data; the rest is locks and a log for people. */
async function dataFiles(at: string): Promise<string[]> {
  return (await readdir(at)).filter(name => !/^LO(?:CK|G|G\.old)$/.test(name)).sort()
}

async function snapshot(at: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const name of await dataFiles(at)) files.set(name, (await readFile(join(at, name))).toString('hex'))
  return files
}

describe('a damaged LevelDB folder', () => {
  beforeEach(makeFolder)
  afterEach(removeFolder)

  /** Either nothing is wrong, or opening says so and leaves every file as it was, for people to look at. */
  async function requireSafe(
    whole: readonly string[],
    harm: (copy: string) => Promise<void>,
  ): Promise<boolean> {
    const copy = join(folder, 'copy')
    await rm(copy, { recursive: true, force: true })
    await cp(directory, copy, { recursive: true })
    await harm(copy)
    const before = await snapshot(copy)
    const outcome = await contents(copy).catch(error => error)
    if (Array.isArray(outcome)) {
      expect(outcome).toEqual(whole)
      return false
    }
    expect(outcome).toMatchObject({ name: 'OrthrusError', code: 'unavailable' })
    expect(await snapshot(copy)).toEqual(before)
    return true
  }

  it('with a byte changed, anywhere, loses nothing unnoticed', async () => {
    const whole = await makeDatabase()
    for (const name of await dataFiles(directory)) {
      const bytes = await readFile(join(directory, name))
      let refused = 0
      for (const place of places(bytes.length)) {
        const changed = Buffer.from(bytes)
        changed[place] = (changed[place] ?? 0) ^ 0x41
        if (await requireSafe(whole, copy => writeFile(join(copy, name), changed))) refused++
      }
      if (name.endsWith('.ldb')) expect(refused, name).toBe(places(bytes.length).length)
      if (name.endsWith('.log')) expect(refused, name).toBeGreaterThan(0)
    }
  })

  it('with a file cut off, anywhere, loses nothing unnoticed', async () => {
    const whole = await makeDatabase()
    for (const name of await dataFiles(directory)) {
      const { size } = await stat(join(directory, name))
      for (const place of places(size)) {
        const refused = await requireSafe(whole, copy => truncate(join(copy, name), place))
        if (name.endsWith('.log')) expect(refused, `${name} at ${place}`).toBe(true)
      }
    }
  })

  it('with a table that was being made when the process was killed is not damaged', async () => {
    const whole = await makeDatabase()
    const [table = ''] = (await dataFiles(directory)).filter(name => name.endsWith('.ldb'))
    const bytes = await readFile(join(directory, table))
    for (const name of ['000900.ldb', '000901.ldb'])
      await writeFile(join(directory, name), bytes.subarray(0, 99))
    expect(await contents(directory)).toEqual(whole)
  })

  it('says which table is damaged', async () => {
    await makeDatabase()
    const [table = ''] = (await dataFiles(directory)).filter(name => name.endsWith('.ldb'))
    const path = join(directory, table)
    const bytes = await readFile(path)
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = (bytes[i] ?? 0) ^ (1 << (i % 8))
      expect(isWholeTable(bytes), `byte ${i}`).toBe(false)
      expect(isWholeTable(bytes.subarray(0, i))).toBe(false)
      bytes[i] = (bytes[i] ?? 0) ^ (1 << (i % 8))
    }
    expect(isWholeTable(bytes)).toBe(true)
    await writeFile(path, bytes.fill(0, 20, 30))
    await expect(open(false)).rejects.toMatchObject({
      message: expect.stringContaining(`is damaged: ${table} not as written`),
      facts: { hint: expect.stringMatching(/backup/) },
    })
  })

  it('with a file missing loses nothing unnoticed', async () => {
    const whole = await makeDatabase()
    for (const name of await dataFiles(directory)) {
      const refused = await requireSafe(whole, copy => rm(join(copy, name)))
      // COMMITS is only a witness, and removing it is how a person accepts a loss; without REST all records are read.
      expect(refused, name).toBe(name !== 'COMMITS' && name !== 'REST')
    }
  })

  it.each(['CURRENT', 'MANIFEST', '.ldb'])(
    'with its %s missing names it, and says what to do',
    async part => {
      await makeDatabase()
      const name = (await dataFiles(directory)).find(file => file.includes(part)) ?? ''
      await rm(join(directory, name))
      const refused = await open(false).catch(cause => cause)
      expect(refused).toMatchObject({ code: 'unavailable', facts: { hint: expect.stringMatching(/backup/) } })
      expect(refused.message).toContain(`the database in ${directory} is damaged`)
      expect(refused.message).toContain(name)
      expect(refused.message).not.toContain('trial-')
    },
  )

  describe.each(['a pipe', 'a device', 'a folder'])('where %s has the name of', kind => {
    const make = async (path: string): Promise<void> => {
      await rm(path, { force: true })
      if (kind === 'a pipe') execFileSync('mkfifo', [path])
      else if (kind === 'a device') await symlink('/dev/zero', path)
      else await mkdir(path)
    }

    it.each([
      '000099.ldb',
      '000099.log',
      '000099.sst',
      'COMMITS',
      'REST',
      'CURRENT',
      'MANIFEST-000099',
      'LOCK',
    ])('%s is refused at once, and named', async name => {
      await makeDatabase()
      await make(join(directory, name))
      await expect(open(false)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining(
          `${directory} cannot be opened: ${name} is a pipe, a device or a folder`,
        ),
      })
    })

    it('COMMITS is not opened, and neither read nor written, if it came meanwhile', async () => {
      await makeDatabase()
      await make(join(directory, 'COMMITS'))
      const refused = { message: expect.stringMatching(/COMMITS is a pipe|EISDIR|ELOOP/) }
      await expect(readCommits(directory)).rejects.toMatchObject(refused)
      await expect(CommitsFile.open(directory, 1)).rejects.toMatchObject(refused)
    })
  })

  it.each([
    ['a lower number', (line: string) => line.replace('0021', '0020')],
    ['a higher number', (line: string) => line.replace('0021', '0022')],
    ['another check', (line: string) => line.replace(/.\n$/, c => (c === '0\n' ? '1\n' : '0\n'))],
    ['nothing', () => ''],
    ['more', (line: string) => `${line}\n`],
  ])('with %s in COMMITS is refused', async (_, change) => {
    await makeDatabase()
    const path = join(directory, 'COMMITS')
    const line = await readFile(path, 'latin1')
    await writeFile(path, change(line))
    await expect(open(false)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/COMMITS is not as it was written/),
    })
    await writeFile(path, line)
    await open(false)
  })

  it('says how to accept the loss of what was last written', async () => {
    const whole = await makeDatabase()
    const log = (await dataFiles(directory)).find(name => name.endsWith('.log')) ?? ''
    await truncate(join(directory, log), (await stat(join(directory, log))).size - 1)
    await expect(open(false)).rejects.toMatchObject({
      message: expect.stringMatching(/last commits .* are missing/),
      facts: { expected: 21, actual: 20, hint: expect.stringMatching(/remove COMMITS/) },
    })
    await rm(join(directory, 'COMMITS'))
    expect(await contents(directory)).not.toEqual(whole)
  })
})

/** Files of this process may not grow beyond this many bytes: for them the disk is full. */
function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
}

function canLimitFiles(): boolean {
  try {
    limitFiles('unlimited')
    return true
  } catch {
    return false
  }
}

describe.skipIf(!canLimitFiles())('a full disk', () => {
  const ignore = () => undefined
  beforeEach(async () => {
    process.on('SIGXFSZ', ignore)
    await makeFolder()
  })
  afterEach(async () => {
    limitFiles('unlimited')
    process.off('SIGXFSZ', ignore)
    await removeFolder()
  })

  async function logSize(): Promise<number> {
    const names = (await readdir(directory)).filter(name => name.endsWith('.log'))
    const sizes = await Promise.all(names.map(async name => (await stat(join(directory, name))).size))
    return Math.max(...sizes)
  }

  it.each([0, 3, 20, 4000])(
    'with %i bytes left fails commits and serves reads, until there is space',
    async left => {
      const store = await open(true)
      const seen: (string | undefined)[] = []
      await store.commit([put('a', 0, 'before')])
      store.watch((_, name) => void seen.push(name))
      limitFiles((await logSize()) + left)
      for (const value of ['first', 'second', 'third']) {
        const commit = store.commit([put('a', 1, value.repeat(2000)), put('b', 0, value)])
        await expect(commit).rejects.toMatchObject({
          code: 'unavailable',
          facts: { hint: expect.stringMatching(/disk is full/) },
        })
        expect(await show(store, 'a')).toBe('before@1')
        expect((await store.list('principal', { limit: 9 })).map(({ name }) => name)).toEqual(['a'])
      }
      expect(seen).toEqual([])
      await expect(store.requireWritable?.()).rejects.toMatchObject({ code: 'unavailable' })
      limitFiles('unlimited')
      await store.requireWritable?.()
      await store.commit([put('c', 0, 'after')])
      expect(seen).toEqual(['a', 'b', 'c'])
      expect(await show(store, 'c')).toBe('after@1')
      for (let i = 0; i < 20; i++) await store.commit([put(`more ${i}`, 0, 'x'.repeat(100 * i))])
      const whole = await store.list('principal', { limit: 100 })
      await store.close()
      const again = await open(false)
      expect(await again.list('principal', { limit: 100 })).toEqual(whole)
      expect(whole.length).toBeGreaterThanOrEqual(22)
    },
  )
})
