import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startKdc as startHere } from '../../kdc/main.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../kdc/store/store.js'
import { type Outcome, runCommand } from '../cli/run-command.js'
import { root, startKdc } from '../end-to-end/processes.js'
import { seededChance } from '../support/chance.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { deathIn, dyingEnvironment, type Steps, startDying, sweepSteps } from './dying.js'

/**
 * A KDC or a command killed with -9 at any step of `master-key rotate` and of `restore`. The same command again goes on,
 * or says that it was done; nothing is lost, and nothing is left that the key before opens. `npm test` tries one step of
 * each, ORTHRUS_SLOW=1 all there are.
 */

const CLI = join(root, 'dist/cli/orthrus.js')

const OFFLINE: Steps = {
  ...{ commit: 3, committed: 3, compaction: 1, compacted: 1, link: 2, rename: 1, 'half of a write': 1 },
}
const ONLINE: Steps = { ...OFFLINE, commit: 2, committed: 2, send: 4, receive: 4 }
const RESTORE: Steps = { commit: 1, committed: 1, link: 1, rename: 1 }

let realm: FaultRealm
let records: readonly string[]
let number = 0
beforeEach(async () => {
  realm = await makeRealm(['web', 'orders'], [['web', 'orders']])
  await writeFile(join(realm.folder, 'admin'), realm.keytab('admin'), { mode: 0o600 })
  // It makes the audit log.
  await (await startHere({ dataDirectory: realm.data, listen: { port: 0 } })).close()
  records = await sealedIn(realm.data)
})
afterEach(() => realm.remove())

/** Each record as it is stored. */
async function sealedIn(data: string): Promise<string[]> {
  const store = await openLevelStore(join(data, 'db'), { create: false })
  const pages = await Promise.all(Object.values(RECORD_KIND).map(kind => store.list(kind, { limit: 1_000 })))
  await store.close()
  return pages.flat().map(({ value }) => Buffer.from(value).toString('latin1'))
}

/** A copy of the data, which is rotated or restored into. */
async function copyOfData(): Promise<string> {
  const data = join(realm.folder, `copy-${++number}`)
  await cp(realm.data, data, { recursive: true })
  return data
}

async function textsIn(data: string): Promise<string[]> {
  const entries = await readdir(data, { recursive: true, withFileTypes: true })
  const names = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return Promise.all(names.map(name => readFile(name, 'latin1')))
}

/** All of it opens with the new key alone, and nothing that the old one opens is in any file. */
async function requireRotated(data: string, again: Outcome): Promise<void> {
  if (again.code !== 0)
    expect(again.err).toMatch(/master\.key\.old is still there from the last rotation.*destroy it/s)
  expect((await readdir(data)).sort()).toEqual(['audit', 'db', 'master.key', 'master.key.old'])
  expect((await readdir(join(data, 'audit'))).filter(name => name.includes('.key'))).toEqual(['audit.key'])
  const checked = await runCommand(['check', '--data', data, '--json'])
  expect(checked).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(checked.out)).toMatchObject({ found: 0, underPrevious: 0 })
  expect(await runCommand(['audit', 'verify', '--data', data])).toMatchObject({ code: 0, err: '' })
  const now = await sealedIn(data)
  expect(now.length).toBeGreaterThanOrEqual(records.length)
  const texts = await textsIn(data)
  const isThere = (value: string) => texts.some(text => text.includes(value))
  // The search finds what is there.
  expect(now.every(isThere)).toBe(true)
  expect(records.filter(isThere)).toEqual([])
  expect(isThere(await readFile(join(realm.data, 'audit', 'audit.key'), 'latin1'))).toBe(false)
}

describe('a rotation of the master key killed with -9', { timeout: 1_200_000 }, () => {
  it('in a folder, goes on with the same command', async () => {
    await sweepSteps(seededChance('kills of a rotation in a folder'), OFFLINE, async step => {
      const data = await copyOfData()
      const args = [CLI, 'master-key', 'rotate', '--data', data]
      const killed = await startDying({ args, cwd: realm.folder, step }).done
      await requireRotated(data, await runCommand(['master-key', 'rotate', '--data', data]))
      return killed
    })
  })

  it('by a KDC, goes on with the next one', async () => {
    await sweepSteps(seededChance('kills of a KDC that changes its master key'), ONLINE, async step => {
      const data = await copyOfData()
      const env = Object.entries(dyingEnvironment(step)).map(([name, value]) => `${name}=${value}`)
      const kdc = await startKdc(realm.folder, data, ['env', ...env])
      const rotate = (url: string) =>
        runCommand(['master-key', 'rotate', '--keytab', join(realm.folder, 'admin')], {
          env: { ORTHRUS_KDC: url },
        })
      const first = await rotate(kdc.url)
      await kdc.end('SIGKILL')
      const killed = deathIn(kdc.log())
      if (killed === undefined) expect(first).toMatchObject({ code: 0, err: '' })
      const next = await startHere({ dataDirectory: data, listen: { port: 0 } })
      const again = await rotate(next.url)
      await next.close()
      await requireRotated(data, again)
      return killed
    })
  })
})

describe('a restore killed with -9', { timeout: 1_200_000 }, () => {
  it('is done again by the same command, or was done', async () => {
    const backup = join(realm.folder, 'one.backup')
    expect(await runCommand(['backup', backup, '--data', realm.data])).toMatchObject({ code: 0 })
    await sweepSteps(seededChance('kills of a restore'), RESTORE, async step => {
      const data = join(realm.folder, `restored-${++number}`)
      await mkdir(data, { mode: 0o700 })
      await cp(join(realm.data, 'master.key'), join(data, 'master.key'))
      const restore = ['restore', backup, '--data', data, '--new-admin-keytab']
      const killed = await startDying({ args: [CLI, ...restore], cwd: realm.folder, step }).done
      const again = await runCommand(restore)
      if (again.code !== 0) expect(again.err).toContain('has a database already')
      expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'db', 'master.key'])
      const checked = await runCommand(['check', '--data', data, '--json'])
      expect(JSON.parse(checked.out)).toMatchObject({ found: 0, counts: { principal: 5, policy: 3 } })
      const kdc = await startHere({ dataDirectory: data, listen: { port: 0 }, audit: false })
      const list = ['admin', 'list', '--keytab', join(data, 'admin.keytab')]
      const listed = await runCommand(list, { env: { ORTHRUS_KDC: kdc.url } })
      await kdc.close()
      expect(listed).toMatchObject({ code: 0, out: expect.stringContaining('web@demo.example') })
      return killed
    })
  })
})
