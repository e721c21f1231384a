import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../../client/connect.js'
import { DATA_FILES } from '../../kdc/data-files.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { parseKeytab } from '../../shared/keytab/keytab.js'
import { endAtLast, orthrus, root } from '../end-to-end/processes.js'
import { type Chance, seededChance } from '../support/chance.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'

/** Commands that write keys, killed with -9 at any moment: at any time a keytab is complete or does not exist. */

const CLI = join(root, 'dist/cli/orthrus.js')
/** About how many times a command changes a folder. */
const CHANGES_MAX = 6
/** Milliseconds. */
const DELAY_MAX = 40
const slow = process.env.ORTHRUS_SLOW === '1'
const KILLS = slow ? { add: 40, init: 40 } : { add: 2, init: 1 }

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

/**
 * Killed at one of the first changes of the folder that it writes into, immediately or a little later. If it makes
 * fewer changes, it ends by itself.
 */
async function killAmid(chance: Chance, folder: string, ...args: string[]): Promise<void> {
  let left = 1 + chance.below(CHANGES_MAX)
  const delay = chance.below(2) * chance.below(DELAY_MAX)
  const watcher = watch(folder)
  const child = endAtLast(spawn(process.execPath, [CLI, ...args], { cwd: realm.folder, stdio: 'ignore' }))
  watcher.on('change', () => {
    left -= 1
    if (left === 0 && delay === 0) child.kill('SIGKILL')
    else if (left === 0) setTimeout(() => child.kill('SIGKILL'), delay)
  })
  await once(child, 'exit')
  watcher.close()
}

/** The text of a complete keytab, or nothing if there is none. */
async function keytabAt(path: string): Promise<string | undefined> {
  if (!existsSync(path)) return undefined
  const text = await readFile(path, 'utf8')
  expect(parseKeytab(text)).toHaveLength(1)
  return text
}

/**
 * Many kills must include some before the keytab is written and some after, or nothing was tested. Few kills need not.
 */
function requireBoth(done: number, kills: number): void {
  if (!slow) return
  expect(done).toBeGreaterThan(0)
  expect(done).toBeLessThan(kills)
}

async function requireLogin(url: string, text: string): Promise<void> {
  const client = await connect({ kdc: url, keytab: { text } })
  await client.getTgt()
  client.close()
}

describe('a command killed with -9', () => {
  it('that adds a principal has written its keytab whole or not at all', async () => {
    const chance = seededChance('kills of admin add')
    const add = (name: string) => ['admin', 'add', name, '--kdc', kdc.url, '--keytab', 'admin.keytab']
    expect((await orthrus(realm.folder, ...add('before'))).code).toBe(0)
    const whole = await readFile(join(realm.folder, 'before.keytab'), 'utf8')
    let written = 0
    for (let i = 0; i < KILLS.add; i++) {
      await killAmid(chance, realm.folder, ...add(`p${i}`))
      const text = await keytabAt(join(realm.folder, `p${i}.keytab`))
      if (text === undefined) continue
      written += 1
      await requireLogin(kdc.url, text)
    }
    expect(await readFile(join(realm.folder, 'before.keytab'), 'utf8')).toBe(whole)
    console.log(`${written} of ${KILLS.add} keytabs written`)
    requireBoth(written, KILLS.add)
  }, 300_000)

  it('that makes a realm has made a complete one, or the next command does, and nothing else is left', async () => {
    const chance = seededChance('kills of init')
    const data = join(realm.folder, 'new')
    const init = ['init', 'new.example', '--data', 'new']
    let made = 0
    for (let i = 0; i < KILLS.init; i++) {
      await rm(data, { recursive: true, force: true })
      await mkdir(data)
      await killAmid(chance, data, ...init)
      await keytabAt(join(data, DATA_FILES.ADMIN_KEYTAB))
      if (existsSync(join(data, DATA_FILES.DATABASE))) made += 1
      const { code, err } = await orthrus(realm.folder, ...init)
      if (code !== 0) expect(err).toMatch(/has a realm already/)
      expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'db', 'master.key'])
      const started = await startKdc({ dataDirectory: data, listen: { port: 0 } })
      await requireLogin(started.url, (await keytabAt(join(data, DATA_FILES.ADMIN_KEYTAB))) ?? '')
      await started.close()
    }
    console.log(`${made} of ${KILLS.init} realms made`)
    requireBoth(made, KILLS.init)
  }, 300_000)
})
