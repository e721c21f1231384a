import { chmod, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { DATA_FILES } from '../../../kdc/data-files.js'
import { type KdcSettings, type RunningKdc, startKdc } from '../../../kdc/main.js'
import type { ReadinessProblem } from '../../../kdc/metrics/readiness.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { RECORD_KIND, type Store } from '../../../kdc/store/store.js'
import { createMasterKey } from '../../../kdc/vault/master-key.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { type FaultRealm, makeRealm } from '../../support/folder-realm.js'
import { testRealm } from '../../support/realm.js'
import { sharedStore } from '../../support/shared-store.js'

const ALL_WELL = { ready: true, problems: [] }

async function problemsOf(kdc: RunningKdc): Promise<readonly ReadinessProblem['check'][]> {
  return (await kdc.readiness()).problems.map(({ check }) => check)
}

/** What may be wrong with a store; nothing at first. */
interface Faults {
  get?: Error
  writable?: Error
}

async function brokenStore(
  faults: Faults,
): Promise<{ kdc: RunningKdc; clock: TestClock; probes: () => number }> {
  const memory = createMemoryStore()
  const realm = await testRealm({ store: memory })
  let probes = 0
  const store: Store = {
    get: async (kind, name) => {
      if (faults.get !== undefined) throw faults.get
      return memory.get(kind, name)
    },
    list: (kind, page) => memory.list(kind, page),
    commit: changes => memory.commit(changes),
    snapshot: () => memory.snapshot(),
    compact: () => memory.compact(),
    watch: listener => memory.watch(listener),
    close: () => memory.close(),
    requireWritable: async () => {
      probes += 1
      if (faults.writable !== undefined) throw faults.writable
    },
  }
  const { masterKey, clock } = realm
  const kdc = await startKdc({ store, masterKey, clock, timers: clock, listen: { port: 0 } })
  onTestFinished(() => kdc.close())
  return { kdc, clock, probes: () => probes }
}

describe('a KDC whose store breaks', () => {
  it('is not ready while it cannot be read, and cannot serve', async () => {
    const faults: Faults = {}
    const { kdc, clock } = await brokenStore(faults)
    expect(await kdc.readiness()).toEqual(ALL_WELL)
    expect(await kdc.canServe()).toBe(true)
    faults.get = new OrthrusError('unavailable', 'the database cannot be read', { hint: 'look at the disk' })
    clock.pass(SECOND)
    expect(await kdc.readiness()).toEqual({
      ready: false,
      problems: [{ check: 'store', reason: 'the database cannot be read', hint: 'look at the disk' }],
    })
    expect(await kdc.canServe()).toBe(false)
  })

  it('is not ready while it cannot be written, and goes on serving', async () => {
    const faults: Faults = {}
    const { kdc, clock } = await brokenStore(faults)
    // What is no failure of Orthrus may say anything, and is not passed on.
    faults.writable = new Error('EIO at /very/secret/path')
    expect(await kdc.readiness()).toEqual({
      ready: false,
      problems: [{ check: 'writable', reason: 'it failed; the log of the KDC may say why' }],
    })
    expect(await kdc.canServe()).toBe(true)
    delete faults.writable
    clock.pass(SECOND)
    expect(await kdc.readiness()).toEqual(ALL_WELL)
  })

  it('looks once for all who ask within a second', async () => {
    const { kdc, clock, probes } = await brokenStore({})
    await Promise.all([kdc.readiness(), kdc.readiness(), kdc.readiness()])
    clock.pass(SECOND - 1)
    await kdc.readiness()
    expect(probes()).toBe(1)
    clock.pass(1)
    await kdc.readiness()
    expect(probes()).toBe(2)
  })

  it('says that its clock leapt, and stays ready', async () => {
    const { kdc, clock } = await brokenStore({})
    clock.step(60_000)
    const { ready, problems } = await kdc.readiness()
    expect([ready, problems.map(({ check }) => check)]).toEqual([true, ['clock']])
    expect(problems[0]?.reason).toContain('leapt ahead by 60 s')
  })

  it('is not ready once it closes', async () => {
    const { kdc } = await brokenStore({})
    await kdc.close()
    expect(await problemsOf(kdc)).toContain('listening')
    expect(await kdc.canServe()).toBe(false)
  })
})

describe('a KDC that shares its store with others', () => {
  it('is not ready while it may not have seen all changes, and cannot serve', async () => {
    const { store, replica } = sharedStore()
    const { masterKey, clock } = await testRealm({ store })
    const kdc = await startKdc({ store, masterKey, clock, timers: clock, listen: { port: 0 }, metrics: true })
    onTestFinished(() => kdc.close())
    expect(await kdc.readiness()).toEqual(ALL_WELL)
    replica.current = false
    clock.pass(SECOND)
    const problems = [{ check: 'current', reason: 'behind', hint: 'ask another KDC' }]
    expect(await kdc.readiness()).toEqual({ ready: false, problems })
    expect(await kdc.canServe()).toBe(false)
    replica.notify({ kind: 'lost', reason: 'behind' })
    replica.notify({ kind: 'put_out', other: '12345678' })
    expect((await kdc.metrics()).replica).toEqual({
      isCurrent: false,
      members: 1,
      notices: { joined: 0, lost: 1, current: 0, put_out: 1, restored: 0 },
    })
    replica.current = true
    expect(await kdc.canServe()).toBe(true)
  })
})

describe('a KDC with its realm in a folder', () => {
  let realm: FaultRealm
  beforeAll(async () => {
    realm = await makeRealm(['web'])
  })
  afterAll(() => realm.remove())

  async function start(settings: KdcSettings = {}): Promise<{ kdc: RunningKdc; clock: TestClock }> {
    const clock = new TestClock()
    const kdc = await startKdc({
      dataDirectory: realm.data,
      listen: { port: 0 },
      clock,
      timers: clock,
      ...settings,
    })
    onTestFinished(() => kdc.close())
    return { kdc, clock }
  }

  it('writes to find out whether it can, and leaves nothing', async () => {
    const { kdc, clock } = await start()
    const listed = async () => {
      const lists = Object.values(RECORD_KIND).map(() => kdc.administration.call('list', [null, 100]))
      return JSON.stringify(await Promise.all(lists))
    }
    const before = [await listed(), await readdir(realm.data), (await readdir(join(realm.data, 'db'))).length]
    for (let i = 0; i < 5; i++) {
      clock.pass(SECOND)
      expect(await kdc.readiness()).toEqual(ALL_WELL)
    }
    expect([
      await listed(),
      await readdir(realm.data),
      (await readdir(join(realm.data, 'db'))).length,
    ]).toEqual(before)
    // A database with a record too many, or with a wrong tally, would not open again.
    await kdc.close()
    expect(await (await start()).kdc.readiness()).toEqual(ALL_WELL)
  })

  it('is not ready with less room on the disk than it must have', async () => {
    const { kdc } = await start({ metrics: true, diskRoom: Number.MAX_SAFE_INTEGER })
    const { ready, problems } = await kdc.readiness()
    expect(ready).toBe(false)
    expect(problems.map(({ check }) => check)).toEqual(['disk'])
    expect(problems[0]?.reason).toMatch(
      /^the disk of the data folder has \d+ MiB left of the 8589934591 MiB required$/,
    )
    const { disk, ready: shown } = await kdc.metrics()
    expect(disk).toMatchObject({ required: Number.MAX_SAFE_INTEGER })
    expect(disk?.free).toBeGreaterThan(0)
    expect(shown).toBe(false)
    expect(await kdc.canServe()).toBe(true)
  })

  it('is not ready once its master key is gone, is another one, or can be read by others', async () => {
    const { kdc, clock } = await start()
    const key = join(realm.data, DATA_FILES.MASTER_KEY)
    const problems = async () => {
      clock.pass(SECOND)
      return problemsOf(kdc)
    }
    expect(await problems()).toEqual([])
    await rename(key, `${key}.away`)
    onTestFinished(() => rename(`${key}.away`, key))
    expect(await problems()).toEqual(['master_key'])
    await createMasterKey(key, systemRandom)
    expect(await problems()).toEqual(['master_key'])
    await writeFile(key, 'nothing of the kind')
    await chmod(key, 0o644)
    expect(await problems()).toEqual(['master_key'])
    expect(JSON.stringify(await kdc.readiness())).not.toContain('orthrusmaster1_')
    await rename(`${key}.away`, key)
    expect(await problems()).toEqual([])
    await rename(key, `${key}.away`)
  })
})
