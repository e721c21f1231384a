import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { LoginFolder } from '../../client/kept-login/login-files.node.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm } from '../../testing/index.js'
import { loginOf } from '../support/logins.js'
import { root } from './processes.js'

/** Two commands of one person that write the login at once, of which one is killed while it has the lock, if it can be caught there. */

const CLI = join(root, 'dist/cli/orthrus.js')
/** How long the one that goes on may wait for the lock of a dead holder, and what else it takes, milliseconds. */
const PATIENCE = 60_000

// It takes 12 s where the lock is that of a dead process.
it.runIf(process.env.ORTHRUS_SLOW === '1')(
  'leave a whole login, with what the one that was not killed got',
  async () => {
    const folder = join(await mkdtemp(join(tmpdir(), 'orthrus-two-')), 'logins')
    const realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
    const logins = new LoginFolder(folder)
    await realm.add('ann', 'orders', 'billing')
    await realm.allow('ann', 'orders')
    await realm.allow('ann', 'billing')
    const login = await loginOf(realm, 'ann')
    await logins.write(login)
    const { client } = login
    onTestFinished(async () => {
      await logins.erase(client)
      await realm.close()
      await rm(dirname(folder), { recursive: true, force: true })
    })
    const file = logins.pathOf(client)
    const get = (service: string): ChildProcess =>
      spawn(process.execPath, [CLI, 'get', service], { env: { ...process.env, ORTHRUS_LOGINS: folder } })
    const killed = get('orders')
    const watcher = watch(dirname(file), (_, name) => {
      if (name === `${basename(file)}.lock`) killed.kill('SIGKILL')
    })
    onTestFinished(() => watcher.close())
    const ended = once(killed, 'close')
    const other = get('billing')
    const [[code], [, signal]] = await Promise.all([once(other, 'close'), ended])
    expect([code, signal]).toEqual([0, 'SIGKILL'])
    const { id, tickets } = await new LoginFolder(folder).read(client)
    expect(id).toBe(login.id)
    expect(tickets.map(({ grant }) => grant.service)).toContain('billing@demo.example')
    // And the next command writes it as ever, over what was left of the other.
    const next = get('orders')
    expect(await once(next, 'close')).toEqual([0, null])
    expect((await new LoginFolder(folder).read(client)).tickets.length).toBe(2)
  },
  PATIENCE,
)
