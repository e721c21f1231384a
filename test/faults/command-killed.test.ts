import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../../client/connect.js'
import { DATA_FILES, type RunningKdc, startKdc } from '../../kdc/main.js'
import { parseKeytab } from '../../shared/keytab.js'
import { orthrus, root } from '../end-to-end/processes.js'
import { type FaultRealm, makeRealm } from './realm.js'
import { type Chance, seededChance } from './seed.js'

/** Commands that write keys, killed with -9 at any moment: a keytab is whole or not there, whoever looks whenever. */

const CLI = join(root, 'dist/cli/orthrus.js')
const KILLS = process.env.ORTHRUS_SLOW === '1' ? 40 : 3

let realm: FaultRealm
let kdc: RunningKdc
beforeEach(async () => {
  realm = await makeRealm(['web', 'orders'])
  kdc = await startKdc({ dataDirectory: realm.data, listen: { port: 0 } })
  await writeFile(join(realm.folder, 'admin.keytab'), realm.keytab('admin'), { mode: 0o600 })
})
afterEach(async () => {
  await kdc.close()
  await realm.remove()
})

/** How long it takes when nobody kills it, milliseconds. */
async function timeOf(...args: string[]): Promise<number> {
  const begun = performance.now()
  expect((await orthrus(realm.folder, ...args)).code).toBe(0)
  return performance.now() - begun
}

/** Killed in the second half of its time, where it writes, or a little later: then it is done. */
async function killAmid(chance: Chance, time: number, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: realm.folder, stdio: 'ignore' })
  const exited = once(child, 'exit')
  const kill = setTimeout(() => child.kill('SIGKILL'), time * (0.5 + chance.below(60) / 100))
  await exited
  clearTimeout(kill)
}

/** The text of a keytab that is whole, or nothing where there is none. */
async function keytabAt(path: string): Promise<string | undefined> {
  if (!existsSync(path)) return undefined
  const text = await readFile(path, 'utf8')
  expect(parseKeytab(text)).toHaveLength(1)
  return text
}

async function requireLogin(url: string, text: string): Promise<void> {
  const client = await connect({ kdc: url, keytab: { text } })
  await client.getTgt()
  client.close()
}

describe('a command killed with -9', () => {
  it(`that adds a principal has written its keytab whole or not at all, ${KILLS} times`, async () => {
    const chance = seededChance('kills of admin add')
    const add = (name: string) => ['admin', 'add', name, '--kdc', kdc.url, '--keytab', 'admin.keytab']
    const time = await timeOf(...add('before'))
    const whole = await readFile(join(realm.folder, 'before.keytab'), 'utf8')
    let written = 0
    for (let i = 0; i < KILLS; i++) {
      await killAmid(chance, time, ...add(`p${i}`))
      const text = await keytabAt(join(realm.folder, `p${i}.keytab`))
      if (text === undefined) continue
      written += 1
      await requireLogin(kdc.url, text)
    }
    expect(await readFile(join(realm.folder, 'before.keytab'), 'utf8')).toBe(whole)
    console.log(`${written} of ${KILLS} keytabs written`)
  }, 300_000)

  it(`that makes a realm has made one that serves, or leaves what the next one says to remove, ${KILLS} times`, async () => {
    const chance = seededChance('kills of init')
    const data = join(realm.folder, 'new')
    const init = ['init', 'new.example', '--data', 'new']
    const time = await timeOf(...init)
    let made = 0
    for (let i = 0; i < KILLS; i++) {
      await rm(data, { recursive: true })
      await killAmid(chance, time, ...init)
      const text = await keytabAt(join(data, DATA_FILES.ADMIN_KEYTAB))
      if (text !== undefined) {
        made += 1
        const again = await startKdc({ dataDirectory: data, listen: { port: 0 } })
        await requireLogin(again.url, text)
        await again.close()
      }
      const { code, err } = await orthrus(realm.folder, ...init)
      if (code !== 0) expect(err).toMatch(text === undefined ? /did not end/ : /has a realm already/)
    }
    console.log(`${made} of ${KILLS} realms made`)
  }, 300_000)

  it('that was making a realm is not taken for one that made it: the next says what to remove', async () => {
    await mkdir(join(realm.folder, 'half'))
    await writeFile(join(realm.folder, 'half', DATA_FILES.MASTER_KEY), '')
    const { code, err } = await orthrus(realm.folder, 'init', 'new.example', '--data', 'half')
    expect(code).toBe(1)
    expect(err).toMatch(
      /has a realm already, or what an init that did not end has left: half\/master\.key exists/,
    )
    expect(err).toMatch(/if an init did not end here, remove half first/)
  })
})
