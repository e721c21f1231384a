import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { openAuditKey, rewrapAuditKey } from '../../kdc/vault/audit-key.js'
import { readMasterKey } from '../../kdc/vault/master-key.js'
import { readMasterKeys } from '../../kdc/vault/master-key-place.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { type Outcome, runCommand } from './run-command.js'

/** `orthrus master-key rotate` and the key of the audit log, which is sealed under the master key in a file of its own. */

let realm: FaultRealm
let kdc: RunningKdc | undefined
let elsewhere = ''

beforeEach(async () => {
  realm = await makeRealm(['web'])
  elsewhere = join(realm.folder, 'log')
  await mkdir(elsewhere, { mode: 0o700 })
  await writeFile(join(realm.folder, 'admin'), realm.keytab('admin'), { mode: 0o600 })
})

afterEach(async () => {
  await close()
  await realm.remove()
})

async function start(audit?: { directory: string } | false): Promise<void> {
  kdc = await startKdc({
    dataDirectory: realm.data,
    listen: { port: 0 },
    ...(audit === undefined ? {} : { audit }),
  })
}

async function close(): Promise<void> {
  await kdc?.close()
  kdc = undefined
}

const usual = () => join(realm.data, 'audit')

const verify = (directory: string) =>
  runCommand(['audit', 'verify', '--data', realm.data, '--audit-directory', directory])

async function requireWhole(directory: string): Promise<void> {
  expect(await verify(directory)).toMatchObject({
    code: 0,
    err: '',
    out: expect.stringContaining('every line is'),
  })
}

/** Nothing that the key before opens is left of it, beside it or under a name of its own. */
async function requireUnderNewKey(directory: string): Promise<void> {
  const [before, now] = [`${join(realm.data, 'master.key')}.old`, join(realm.data, 'master.key')]
  const text = await readFile(join(directory, 'audit.key'), 'utf8')
  expect(openAuditKey(text, await readMasterKey(before))).toBeUndefined()
  expect(openAuditKey(text, await readMasterKey(now))).toHaveLength(32)
  expect((await readdir(directory)).filter(name => name.includes('.key'))).toEqual(['audit.key'])
}

const rotateFolder = (...args: string[]): Promise<Outcome> =>
  runCommand(['master-key', 'rotate', '--data', realm.data, ...args])

describe('the audit log, while the master key is changed', () => {
  it.each([
    ['in the data folder', usual],
    ['elsewhere', () => elsewhere],
  ])('by the running KDC, is verified before, behind each step and after: %s', async (_, place) => {
    const directory = place()
    await start(directory === usual() ? undefined : { directory })
    await requireWhole(directory)
    const call = async (position: unknown) =>
      (await kdc?.administration.call('rotate-master-key', [position as null]))?.[0] ?? null
    let steps = 0
    for (let position = await call(null); position !== null; position = await call(position)) {
      await requireWhole(directory)
      steps++
    }
    expect(steps).toBeGreaterThan(4)
    await requireWhole(directory)
    await requireUnderNewKey(directory)
    await close()
    await start(directory === usual() ? undefined : { directory })
    await requireWhole(directory)
  })

  it('is verified where a rotation was killed between the key of the log and the master key', async () => {
    await start()
    await kdc?.administration.call('rotate-master-key', [null])
    await close()
    const keys = await readMasterKeys(join(realm.data, 'master.key'))
    expect(keys.previous).toBeDefined()
    await rewrapAuditKey(join(usual(), 'audit.key'), keys, systemRandom)
    await requireWhole(usual())
    await start()
    await close()
    expect(await rotateFolder()).toMatchObject({ code: 0, err: '' })
    await requireWhole(usual())
    await requireUnderNewKey(usual())
  })

  it('that a KDC does not write at the moment, is under the new key too', async () => {
    await start()
    await close()
    await start(false)
    const env = { ORTHRUS_KDC: kdc?.url }
    const args = ['master-key', 'rotate', '--keytab', join(realm.folder, 'admin')]
    expect(await runCommand(args, { env })).toMatchObject({ code: 0, err: '' })
    await requireWhole(usual())
    await requireUnderNewKey(usual())
  })

  it('in a folder without a KDC, is under the new key wherever it is', async () => {
    await start()
    await close()
    await start({ directory: elsewhere })
    await close()
    expect(await rotateFolder('--audit-directory', elsewhere)).toMatchObject({ code: 0, err: '' })
    for (const directory of [usual(), elsewhere]) {
      await requireWhole(directory)
      await requireUnderNewKey(directory)
    }
    await start({ directory: elsewhere })
  })

  it('that a rotation was not told of, is brought to the new key by what the error says', async () => {
    await start({ directory: elsewhere })
    await close()
    expect(await rotateFolder()).toMatchObject({ code: 0, err: '' })
    const hint = expect.stringContaining(
      `orthrus master-key rotate --data DIR --audit-directory ${elsewhere} --previous-master-key-file OLD-KEY`,
    )
    await expect(start({ directory: elsewhere })).rejects.toMatchObject({ facts: { hint } })
    const old = join(realm.data, 'master.key.old')
    const again = await rotateFolder('--audit-directory', elsewhere, '--previous-master-key-file', old)
    expect(again).toMatchObject({ code: 0, err: '' })
    await requireWhole(elsewhere)
    await requireUnderNewKey(elsewhere)
    await start({ directory: elsewhere })
  })

  it('is not looked for where there is none, nor where the KDC knows it', async () => {
    const none = await rotateFolder('--audit-directory', join(realm.folder, 'nowhere'))
    expect(none).toMatchObject({ code: 1, err: expect.stringContaining('there is no audit log in') })
    expect((await readdir(realm.data)).sort()).toEqual(['db', 'master.key'])
    const online = ['master-key', 'rotate', '--audit-directory', elsewhere]
    expect(await runCommand(online)).toMatchObject({
      code: 2,
      err: expect.stringContaining('goes with --data'),
    })
  })
})
