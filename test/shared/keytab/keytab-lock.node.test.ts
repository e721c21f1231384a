import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { changingKeytab } from '../../../shared/keytab/keytab-file.node.js'
import { DEAD_AFTER } from '../../../shared/keytab/watched-holder.node.js'
import { HOUR, SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { type DiskCall, quietDisk, watchedDisk } from '../../support/keytab-disk.js'

let folder = ''
let path = ''
let time = new TestClock()
beforeEach(async () => {
  time = new TestClock()
  folder = await mkdtemp(join(tmpdir(), 'orthrus-lock-'))
  path = join(folder, 'web.keytab')
  await writeFile(path, '0\n', { mode: 0o600 })
})
afterEach(() => rm(folder, { recursive: true }))

const content = (): Promise<string> => readFile(path, 'utf8')

/** A process that replaces the keytab. */
function holder(before: (call: DiskCall) => void | Promise<void> = () => {}) {
  return changingKeytab(path, { clock: time, timers: time, disk: watchedDisk(before) })
}

const to = (text: string) => async (before: string) => ({ text, result: before })

/** Lets time pass until the promise is settled. */
async function settled<T>(promise: Promise<T>, step = 100): Promise<T> {
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  promise.then(end, end)
  while (!isOver) {
    await quietDisk()
    await time.elapse(step)
  }
  return promise
}

const never = (): Promise<never> => new Promise(() => {})

describe('a keytab that is changed', () => {
  it('is replaced whole, for its owner only, and nothing is left beside it', async () => {
    const before = process.umask(0o277)
    try {
      expect(await holder().change(to('1\n'))).toBe('0\n')
    } finally {
      process.umask(before)
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect([await content(), await readdir(folder)]).toEqual(['1\n', ['web.keytab']])
  })

  it('takes with it what a process left that was killed while it made the keytab, an hour ago', async () => {
    const [old, young] = [`${path}.0123456789ab.tmp`, `${path}.0123456789ac.tmp`]
    await link(path, old)
    await writeFile(young, 'of a process that may live')
    const before = new Date(Date.now() - 2 * HOUR)
    await utimes(path, before, before)
    await holder().change(to('1\n'))
    expect((await readdir(folder)).sort()).toEqual(['web.keytab', 'web.keytab.0123456789ac.tmp'])
  })

  it('is on stable storage, and then its name, before the change is over', async () => {
    const calls: string[] = []
    await holder(call => void calls.push(call)).change(to('1\n'))
    const order = ['read', 'file.writeFile', 'file.sync', 'rename', 'syncFolder']
    expect(calls.filter(call => order.includes(call))).toEqual(order)
  })

  it('stays as it is if there is nothing to change, or the change fails', async () => {
    const { ino } = await stat(path)
    expect(await holder().change(async text => ({ text, result: 1 }))).toBe(1)
    expect(await holder().change(async () => ({ text: undefined, result: 2 }))).toBe(2)
    const failing = holder().change(() => Promise.reject(new Error('not now')))
    await expect(failing).rejects.toThrow('not now')
    expect((await stat(path)).ino).toBe(ino)
    expect(await readdir(folder)).toEqual(['web.keytab'])
  })

  it.each([
    ['a symbolic link', async () => symlink('moved', path), /symbolic link/],
    ['a folder', async () => mkdir(path), /not a plain file/],
    ['a file that others can read', async () => writeFile(path, '0\n', { mode: 0o644 }), /chmod 600/],
  ])('is not %s', async (_, make, said) => {
    await rename(path, join(folder, 'moved'))
    await make()
    await expect(holder().change(to('1\n'))).rejects.toThrow(said)
    expect(await readFile(join(folder, 'moved'), 'utf8')).toBe('0\n')
    expect((await readdir(folder)).sort()).toEqual(['moved', 'web.keytab'])
  })

  it('is not replaced if somebody put another one in its place by hand meanwhile', async () => {
    const changing = holder().change(async () => {
      await writeFile(join(folder, 'carried'), '7\n', { mode: 0o600 })
      await rename(join(folder, 'carried'), path)
      return { text: '1\n', result: undefined }
    })
    await expect(changing).rejects.toMatchObject({ code: 'unavailable', message: /somebody else/ })
    expect([await content(), await readdir(folder)]).toEqual(['7\n', ['web.keytab']])
  })

  it.each(['EBUSY', 'EACCES', 'ENOSPC'])('says what to do where it cannot be: %s', async code => {
    const refusing = holder(call => {
      if (call === 'rename') throw Object.assign(new Error(code), { code })
    })
    const hint = { EBUSY: /mount the folder/, EACCES: /write into/, ENOSPC: /disk is full/ }[code]
    await expect(refusing.change(to('1\n'))).rejects.toMatchObject({ code: 'keytab_invalid', message: hint })
  })
})

describe('the lock of a keytab', () => {
  it('lets the next one in when the one before is done', async () => {
    let [hold, finish] = [(): void => {}, (): void => {}]
    const held = new Promise<void>(resolve => {
      hold = resolve
    })
    const first = holder().change(async text => {
      hold()
      await new Promise<void>(resolve => {
        finish = resolve
      })
      return { text: `${text}1\n`, result: undefined }
    })
    // On a busy machine the other one may be there sooner.
    await held
    const second = settled(holder().change(async text => ({ text: `${text}2\n`, result: undefined })))
    // Longer than any dead holder is waited for: this one shows that it lives.
    for (let i = 0; i < 40; i++) {
      await time.elapse(SECOND)
      await quietDisk()
    }
    expect(await content()).toBe('0\n')
    finish()
    await first
    await second
    expect([await content(), await readdir(folder)]).toEqual(['0\n1\n2\n', ['web.keytab']])
  })

  it('of a dead holder is taken over, but not at once', async () => {
    void holder(call => (call === 'rename' ? never() : undefined)).change(to('1\n'))
    // It dies after it has locked the keytab: its timers end with it.
    await expect.poll(() => readdir(`${path}.lock`).catch(() => [])).toHaveLength(1)
    const dead = new TestClock()
    ;[time] = [dead, time]
    const start = time.monotonic()
    await settled(holder().change(to('2\n')))
    expect(time.monotonic() - start).toBeGreaterThanOrEqual(DEAD_AFTER)
    expect(time.monotonic() - start).toBeLessThan(6 * DEAD_AFTER)
    expect([await content(), await readdir(folder)]).toEqual(['2\n', ['web.keytab']])
  })

  it('keeps a holder out that was only paused, whenever it goes on', async () => {
    for (const call of ['file.writeFile', 'file.sync', 'lstat', 'rename'] as const) {
      await writeFile(path, '0\n', { mode: 0o600 })
      let goOn = (): void => {}
      let isPaused = false
      const paused = holder(made => {
        if (made === 'file.utimes') return never()
        if (made !== call || isPaused) return
        isPaused = true
        return new Promise<void>(resolve => {
          goOn = resolve
        })
      }).change(to('1\n'))
      const failure = paused.catch((cause: unknown) => cause)
      await expect.poll(() => isPaused).toBe(true)
      await settled(holder().change(to('2\n')))
      goOn()
      expect(await failure).toMatchObject({ code: 'unavailable' })
      expect([await content(), await readdir(folder)]).toEqual(['2\n', ['web.keytab']])
    }
  })

  it('is not had by whoever was paused before its file was in the folder, so that another made it again', async () => {
    let [goOn, finish] = [(): void => {}, (): void => {}]
    let isPaused = false
    let inside = 0
    const late = holder(call => {
      if (call !== 'open' || isPaused) return
      isPaused = true
      return new Promise<void>(resolve => {
        goOn = resolve
      })
    }).change(async text => ({ text: `${text}late ${++inside}\n`, result: undefined }))
    await expect.poll(() => isPaused).toBe(true)
    const other = settled(
      holder().change(async text => {
        inside++
        await new Promise<void>(resolve => {
          finish = resolve
        })
        inside--
        return { text: `${text}other\n`, result: undefined }
      }),
    )
    await expect.poll(() => inside).toBe(1)
    goOn()
    await quietDisk()
    finish()
    await settled(late)
    await other
    expect([await content(), await readdir(folder)]).toEqual(['0\nother\nlate 1\n', ['web.keytab']])
  })

  it.each([
    ['a file', () => writeFile(`${path}.lock`, '')],
    ['a symbolic link', () => symlink(folder, `${path}.lock`)],
  ])('is not %s', async (_, make) => {
    await make()
    await expect(settled(holder().change(to('1\n')))).rejects.toThrow(/in the place of its lock/)
    expect(await content()).toBe('0\n')
  })

  it.each(['notes.txt', '0123456789ABCDEF', '.nfs0000000000000001'])(
    'is not taken over from whoever has other files in its folder, and deletes none of them: %s',
    async name => {
      await mkdir(`${path}.lock`)
      await writeFile(join(`${path}.lock`, name), 'of value')
      await expect(settled(holder().change(to('1\n')), SECOND)).rejects.toMatchObject({ code: 'unavailable' })
      expect(await readFile(join(`${path}.lock`, name), 'utf8')).toBe('of value')
      expect(await content()).toBe('0\n')
    },
  )

  it('is waited for no longer than a few minutes', async () => {
    void holder().change(never)
    await expect.poll(() => readdir(`${path}.lock`).catch(() => [])).toHaveLength(1)
    await expect(settled(holder().change(to('1\n')), SECOND)).rejects.toThrow(/has had the lock/)
  })
})

describe('a disk or a process that fails at any call', () => {
  /** How many calls a change makes. */
  async function callsOfOneChange(): Promise<DiskCall[]> {
    const calls: DiskCall[] = []
    await holder(call => void calls.push(call)).change(to('0\n0\n'))
    return calls
  }

  it('leaves the keytab as it was or as it shall be, and the lock to others', async () => {
    const calls = await callsOfOneChange()
    expect(calls.length).toBeGreaterThan(12)
    for (const [at, failing] of calls.entries()) {
      for (const dies of [false, true]) {
        await writeFile(path, '0\n', { mode: 0o600 })
        let made = 0
        const failed = holder(() => {
          const now = made++
          if (now === at || (dies && now > at)) throw Object.assign(new Error('EIO'), { code: 'EIO' })
        }).change(to('1\n'))
        const outcome = await settled(
          failed.then(
            () => 'done',
            () => 'failed',
          ),
        )
        const left = await content()
        // What was said to be done is done; what failed was done whole or not at all.
        expect(outcome === 'done' ? ['1\n'] : ['0\n', '1\n'], `${failing} ${dies}`).toContain(left)
        // The heart of a dead process beats no more.
        const others = new TestClock()
        ;[time] = [others, time]
        expect(await settled(holder().change(to('2\n')))).toBe(left)
        expect([await content(), await readdir(folder)]).toEqual(['2\n', ['web.keytab']])
      }
    }
  })
})

describe('processes that change one keytab in any interleaving', () => {
  /** A process that adds one to the number in the keytab, call by call as the test lets it. */
  class Process {
    next: (() => void) | undefined
    isOver = false
    isDead = false
    readonly clock = new TestClock()
    outcome = 'unknown'

    constructor() {
      const disk = watchedDisk(
        () =>
          new Promise<void>(resolve => {
            const before = this.next
            // A beat of the heart waits beside the call that it comes between.
            this.next = () => {
              before?.()
              resolve()
            }
          }),
      )
      const adding = changingKeytab(path, { clock: this.clock, timers: this.clock, disk })
        .change(async text => ({ text: `${Number(text) + 1}\n`, result: undefined }))
        .then(() => 'done')
        .catch((cause: unknown) => (cause as { code: string }).code)
      void adding.then(outcome => {
        this.outcome = outcome
        this.isOver = true
      })
    }

    /** Makes one call, if it waits to make one. */
    async step(): Promise<void> {
      const { next } = this
      this.next = undefined
      next?.()
      await quietDisk()
    }
  }

  it('never lose what one of them was told is done', { timeout: 300_000 }, async () => {
    const turn = fc.record({
      who: fc.nat(2),
      steps: fc.integer({ min: 1, max: 12 }),
      passes: fc.constantFrom(0, 200, DEAD_AFTER),
      dies: fc.integer({ min: 0, max: 20 }).map(n => n === 0),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 5, maxLength: 40 }), async turns => {
        await rm(`${path}.lock`, { recursive: true, force: true })
        await writeFile(path, '0\n', { mode: 0o600 })
        const all: Process[] = []
        const present: Process[] = [0, 1, 2].map(() => new Process())
        all.push(...present)
        for (const { who, steps, passes, dies } of turns) {
          let process = present[who] as Process
          if (process.isOver || dies) {
            process.isDead = true
            process = new Process()
            present[who] = process
            all.push(process)
          }
          for (let i = 0; i < steps; i++) await process.step()
          await process.clock.elapse(passes)
        }
        // The last of them comes to its end alone, so that the lock can be had whatever the others left.
        for (const process of present.slice(0, 2)) process.isDead = true
        const last = present[2] as Process
        for (let i = 0; !last.isOver; i++) {
          expect(i).toBeLessThan(10_000)
          await last.step()
          await last.clock.elapse(200)
        }
        const count = Number(await content())
        const done = all.filter(({ outcome }) => outcome === 'done').length
        expect(count).toBeGreaterThanOrEqual(done)
        // Who died, or was late to look whether its text has its place, does not know, and may have counted too.
        expect(count).toBeLessThanOrEqual(all.length)
      }),
      { numRuns: process.env.ORTHRUS_SLOW === '1' ? 500 : 30 },
    )
  })
})
