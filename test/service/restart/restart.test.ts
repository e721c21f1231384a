import { copyFile, link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type LoadServiceOptions, loadService, type Service } from '../../../service/index.js'
import { partsOf } from '../../../service/request/service.js'
import type { AdmissionRequest } from '../../../shared/accept/replay.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { systemMachine } from '../../../shared/machine.node.js'
import { MINUTE, SECOND, systemClock } from '../../../shared/time.js'
import { temporaryFolder } from '../../end-to-end/processes.js'
import { TestLogger } from '../../support/logger.js'
import { ORDERS, WEB } from '../realm.js'

/** What an orderly end leaves for the next start, and what comes of it if somebody meddles with it. */

const keyOf = (kvno: number) => ({ principal: ORDERS, kvno, key: new LongTermKey(systemRandom(32)) })
type Entry = ReturnType<typeof keyOf>

/** One host: its clock can be moved, and its service started and ended. */
class Host {
  readonly state: string
  readonly log = new TestLogger()
  entries: readonly Entry[] = [keyOf(1)]
  /** How far its wall clock was set, milliseconds. */
  set = 0
  /** How much time has passed that no test waited for. */
  passed = 0

  constructor(folder: string) {
    this.state = join(folder, 'orders.state')
  }

  static async start(): Promise<Host> {
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    const host = new Host(folder)
    const uptime = systemMachine.uptime
    vi.spyOn(systemMachine, 'uptime').mockImplementation(() => uptime() + host.passed)
    return host
  }

  get now(): number {
    return systemClock.now() + this.set + this.passed
  }

  async load(options: Partial<LoadServiceOptions> = {}): Promise<Run> {
    const clock = { now: () => this.now, monotonic: () => systemClock.monotonic() + this.passed }
    const keytab = { text: formatKeytab([...this.entries]) }
    const service = await loadService({ keytab, state: this.state, clock, logger: this.log, ...options })
    onTestFinished(() => service.close())
    return new Run(service)
  }

  get told(): string[] {
    return this.log.lines.map(({ fields }) => String((fields as { err?: unknown }).err)).splice(0)
  }
}

class Run {
  readonly service: Service

  constructor(service: Service) {
    this.service = service
  }

  async admit(request: AdmissionRequest): Promise<string> {
    return (await partsOf(this.service).replayCache.admit(request)).refusal ?? 'accepted'
  }

  get floor(): number {
    return partsOf(this.service).replayCache.floor ?? Number.NaN
  }
}

const request = (time: number): AdmissionRequest => ({
  id: systemRandom(16),
  time,
  presenter: WEB,
  endTime: Number.MAX_SAFE_INTEGER,
})

describe.skipIf(process.platform === 'win32')('an orderly end with a state', () => {
  it('lets the next start accept at once, and nothing that was accepted before', async () => {
    const host = await Host.start()
    const first = await host.load()
    expect(first.floor).toBeGreaterThan(host.now + 5 * SECOND)
    host.passed += 7 * SECOND
    const newest = request(host.now)
    expect(await first.admit(newest)).toBe('accepted')
    await first.service.close()
    expect((await stat(host.state)).mode & 0o777).toBe(0o600)
    const second = await host.load()
    expect(second.floor).toBe(newest.time)
    expect(await second.admit(newest)).toBe('clock_skew')
    expect(await second.admit(request(newest.time + 1))).toBe('accepted')
    await expect(stat(host.state)).rejects.toThrow('ENOENT')
    expect(host.told).toEqual([])
  })

  it('leaves no request behind that was looked at when it ended', async () => {
    const host = await Host.start()
    const first = await host.load()
    await first.service.close()
    expect(await first.admit(request(first.floor + 1))).toBe('unavailable')
  })

  it('never lowers the floor of a process that ended in its first seconds', async () => {
    const host = await Host.start()
    const first = await host.load()
    await first.service.close()
    expect((await host.load()).floor).toBe(first.floor)
  })
})

/** Brings about that the state is not the last one, or not for this start. The request is accepted meanwhile. */
interface Meddling {
  readonly why: string | RegExp
  readonly meddle: (
    host: Host,
    serve: (options?: Partial<LoadServiceOptions>) => Promise<void>,
  ) => Promise<void>
}

const meddlings: Record<string, Meddling> = {
  'yesterday’s, copied and put back after another run': {
    why: 'an older state was put back',
    meddle: async (host, serve) => {
      await copyFile(host.state, `${host.state}.old`)
      await serve()
      await copyFile(`${host.state}.old`, host.state)
    },
  },
  'linked and renamed back after another run': {
    why: 'an older state was put back',
    meddle: async (host, serve) => {
      await link(host.state, `${host.state}.old`)
      await serve()
      await rename(`${host.state}.old`, host.state)
    },
  },
  'of another path, whose process was not the last': {
    why: 'another process has served since',
    meddle: async (host, serve) => serve({ state: `${host.state}.other` }),
  },
  'older than a run without a state': {
    why: 'another process has served since',
    meddle: async (_, serve) => serve({ state: undefined as never }),
  },
  'older than a run beside the lock': {
    why: 'another process has served since',
    meddle: async (_, serve) => serve({ state: undefined as never, allowReplayAcrossProcesses: true }),
  },
  'of another key': {
    why: 'not written under the key of kvno 1',
    meddle: async host => {
      host.entries = [keyOf(1)]
    },
  },
  'of fewer keys': {
    why: 'not written under the key of kvno 2',
    meddle: async host => {
      host.entries = [...host.entries, keyOf(2)]
    },
  },
  'of before the machine was started': {
    why: 'the machine was started since',
    meddle: async () => {
      vi.spyOn(systemMachine, 'boot').mockResolvedValue('00000000-0000-0000-0000-000000000000')
    },
  },
  'with a lower floor': {
    why: 'not written under the key',
    meddle: host => rewrite(host, /^floor \d+$/m, 'floor 1'),
  },
  'cut off': {
    why: 'malformed',
    meddle: async host => writeFile(host.state, (await readFile(host.state, 'utf8')).slice(0, -1)),
  },
  'from before the clock went back': {
    why: 'the clock was set since',
    meddle: async host => {
      host.set = -2 * SECOND
    },
  },
  'from before the clock was set ahead': {
    why: 'the clock was set since',
    meddle: async host => {
      host.set = 2 * MINUTE
    },
  },
  'of more than a minute ago': {
    why: 'older than a minute',
    meddle: async host => {
      host.passed += MINUTE
    },
  },
  'readable to others': {
    why: 'keytab_invalid',
    meddle: async host => {
      const text = await readFile(host.state)
      await rm(host.state)
      await writeFile(host.state, text, { mode: 0o644 })
    },
  },
}

async function rewrite(host: Host, from: RegExp, to: string): Promise<void> {
  const text = await readFile(host.state, 'utf8')
  expect(text).toMatch(from)
  await writeFile(host.state, text.replace(from, to))
}

describe.skipIf(process.platform === 'win32')('a state that is', () => {
  it.each(Object.entries(meddlings))(
    '%s gives no floor, and brings no replay',
    async (_, { why, meddle }) => {
      const host = await Host.start()
      const first = await host.load()
      await first.service.close()
      let copied: AdmissionRequest | undefined
      await meddle(host, async options => {
        const run = await host.load(options)
        host.passed += 7 * SECOND
        copied = request(host.now)
        expect(await run.admit(copied)).toBe('accepted')
        // As a crash leaves it: no state of this run.
        await run.service.close()
        const own = options === undefined ? host.state : options.state
        if (own !== undefined) await rm(own, { force: true })
      })
      const told = host.told.length
      const last = await host.load()
      expect(host.told.slice(told).join()).toMatch(new RegExp(why))
      expect(last.floor).toBeGreaterThanOrEqual(host.now + 5 * SECOND)
      if (copied !== undefined) expect(await last.admit(copied)).toBe('clock_skew')
    },
  )

  it('something else stays, and nothing is written over it', async () => {
    const host = await Host.start()
    await writeFile(host.state, 'my notes', { mode: 0o600 })
    const run = await host.load()
    expect(run.floor).toBeGreaterThan(host.now + 5 * SECOND)
    await run.service.close()
    expect(await readFile(host.state, 'utf8')).toBe('my notes')
    expect(host.told.join()).toMatch(/is not a saved state.*exists already/s)
  })
})

describe('the option state', () => {
  it.each<[Partial<LoadServiceOptions>, string]>([
    [{ state: '' }, 'the path of a file'],
    [{ state: 'a', allowReplayAcrossProcesses: true }, 'serves alone'],
    [{ state: 'a', replayCache: { admit: () => ({ now: 0, floor: 0 }) } }, 'serves alone'],
  ])('%j is refused', async (options, why) => {
    const keytab = { text: formatKeytab([keyOf(1)]) }
    await expect(loadService({ keytab, ...options })).rejects.toThrow(why)
  })
})
