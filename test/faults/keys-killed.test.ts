import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TYPE } from '../../shared/constants.js'
import { OrthrusError } from '../../shared/errors.js'
import { decodeAsRequest } from '../../shared/exchange/as.js'
import { principalIn } from '../../shared/principal.js'
import { root, startKdc } from '../end-to-end/processes.js'
import { seededChance } from '../support/chance.js'
import { REALM } from '../support/folder-realm.js'
import { WebSocketProxy } from '../support/websocket-proxy.js'
import { deathIn, dyingEnvironment, type Steps, startDying, sweepSteps } from './dying.js'
import { type Code, KeyRealm } from './key-realm.js'

/**
 * Holder or KDC killed with -9, or their connection cut, at any step while a key changes or a host enrols: staging,
 * writing, promoting, retiring. `npm test` tries a few steps of each, ORTHRUS_SLOW=1 all there are.
 */

const CLI = join(root, 'dist/cli/orthrus.js')
const SERVICE = join(root, 'test/faults/rotating-service.mjs')
const slow = process.env.ORTHRUS_SLOW === '1'

let world: KeyRealm
beforeEach(async () => {
  world = await KeyRealm.make()
})
afterEach(() => world.remove())

const CHANGE: Steps = {
  ...{ send: 8, receive: 6, open: 4, mkdir: 2, 'file chmod': 2, 'half of a write': 2, 'file sync': 3 },
  ...{ rename: 2, rmdir: 2 },
}
const ADDITION: Steps = {
  ...{
    send: 5,
    receive: 4,
    open: 2,
    'file chmod': 1,
    link: 2,
    unlink: 2,
    'half of a write': 1,
    'file sync': 2,
  },
}
const KDC: Steps = { send: 6, receive: 5, commit: 2, committed: 2, 'file write': 2 }

/** What was interrupted left nothing broken; it is done again, and leaves nothing behind. */
async function requireMended(): Promise<void> {
  await world.requireShared()
  const before = await world.currentKvno('orders')
  expect(await world.refresh()).toBeGreaterThan(before ?? 0)
  await world.requireShared()
  await world.requireTidy()
}

/** The same for a code, and the keytab that `host` had before. */
async function requireJoined(code: Code, before: number | undefined): Promise<void> {
  await world.requireCodeWhole(code, before)
  await world.join(code)
  expect(await world.isUsed(code)).toBe(true)
  await world.requireCodeWhole(code, before)
}

const hostKvno = () => world.currentKvno('host').catch(() => undefined)

/** Whether it came to its end. Failures are to be expected, but no other ones than those that say so. */
async function completes(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    cause => {
      if (cause instanceof OrthrusError) return false
      throw cause
    },
  )
}

describe('a holder killed with -9', { timeout: 600_000 }, () => {
  it.each([
    ['orthrus keytab refresh', () => [CLI, 'keytab', 'refresh', 'orders.keytab', '--kdc', world.url]],
    ['a service with rotation: automatic', () => [SERVICE, world.path('orders'), world.url]],
  ])('at any step of a change of its key (%s) shares a key with the KDC', async (_, args) => {
    await world.open()
    const chance = seededChance('kills of a holder')
    await sweepSteps(chance, CHANGE, async step => {
      await world.administration.keys.rotate(principalIn(REALM, 'orders'))
      const holder = startDying({ args: args(), cwd: world.realm.folder, step, until: 'changed' })
      const death = await holder.done
      holder.child.kill('SIGKILL')
      await requireMended()
      return death
    })
  })

  it('at any step of orthrus join has used its code, or still can', async () => {
    await world.open()
    const chance = seededChance('kills of a new host')
    await sweepSteps(chance, ADDITION, async step => {
      const before = await hostKvno()
      const code = await world.invite()
      const args = [CLI, 'join', code.code, '--kdc', world.url]
      const death = await startDying({ args, cwd: world.realm.folder, step }).done
      await requireJoined(code, before)
      return death
    })
  })
})

/** Windows ends a process without telling it. */
describe.skipIf(process.platform === 'win32')('a command that is interrupted', { timeout: 600_000 }, () => {
  it('at any step, as by Ctrl-C, leaves no key beside a keytab', async () => {
    await world.open()
    await writeFile(world.path('admin'), world.realm.keytab('admin'), { mode: 0o600 })
    const chance = seededChance('interrupted commands')
    const commands = [
      { steps: ADDITION, command: () => ['admin', 'add', 'new', '--keytab', 'admin.keytab'] },
      { steps: CHANGE, command: () => ['keytab', 'refresh', 'orders.keytab'] },
      { steps: ADDITION, command: async () => ['join', (await world.invite()).code] },
    ]
    for (const { steps, command } of slow ? commands : [chance.pick(commands)]) {
      await sweepSteps(chance, steps, async step => {
        const args = [CLI, ...(await command()), '--kdc', world.url]
        const signal = chance.pick(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
        const { child, done } = startDying({ args, cwd: world.realm.folder, step, signal })
        const death = await done
        expect(child.signalCode).toBe(death === undefined ? null : signal)
        await world.requireTidy()
        await unlink(world.path('new')).catch(() => undefined)
        await world.administration.remove(principalIn(REALM, 'new')).catch(() => undefined)
        return death
      })
    }
  })
})

/** A KDC in a process of its own, until `work` is over. @returns the step it died at, and whether `work` was done */
async function withDyingKdc(step: string, work: (url: string) => Promise<unknown>) {
  await world.close()
  const environment = Object.entries(dyingEnvironment(step)).map(([name, value]) => `${name}=${value}`)
  const kdc = await startKdc(world.realm.folder, undefined, ['env', ...environment])
  const isDone = await completes(work(kdc.url))
  await kdc.end('SIGKILL')
  await world.open()
  return { death: deathIn(kdc.log()), isDone }
}

/** Keeps the kvnos that logins were granted under. An id stands for its last request: each connection counts its own. */
function loginsAnswered(proxy: WebSocketProxy): readonly number[] {
  const asked = new Map<number, number>()
  const answered: number[] = []
  proxy.upward = frame => {
    const { id, message } = frame
    if (message[1] === TYPE.AS_REQ) asked.set(id, decodeAsRequest(message).kvno)
    return [frame]
  }
  proxy.downward = frame => {
    const kvno = asked.get(frame.id)
    if (frame.message[1] === TYPE.AS_REP && kvno !== undefined) answered.push(kvno)
    return [frame]
  }
  return answered
}

describe.skipIf(process.platform === 'win32')('a KDC killed with -9', { timeout: 600_000 }, () => {
  it('at any step of a change of a key shares one with its holder', async () => {
    const chance = seededChance('kills of a KDC that changes a key')
    await sweepSteps(chance, KDC, async step => {
      let logins: readonly number[] = []
      const { death } = await withDyingKdc(step, async url => {
        const proxy = await WebSocketProxy.start(url)
        logins = loginsAnswered(proxy)
        await world.refresh(proxy.url)
      })
      // From then on the holder may have erased the key before it.
      const kvno = await world.currentKvno('orders')
      expect(kvno, 'a login was answered').toBeGreaterThanOrEqual(Math.max(0, ...logins))
      await requireMended()
      return death
    })
  })

  it('at any step of an enrolment has used the code, or takes it still', async () => {
    await world.open()
    const chance = seededChance('kills of a KDC that enrols')
    await sweepSteps(chance, KDC, async step => {
      const before = await hostKvno()
      const code = await world.invite()
      const { death, isDone } = await withDyingKdc(step, url => world.join(code, url))
      if (isDone) expect(await world.isUsed(code), 'a login that was answered').toBe(true)
      await requireJoined(code, before)
      return death
    })
  })
})

/** A network that is cut once in place of a message, such as `message 3`. */
async function cutAt(message: string): Promise<{ readonly url: string; hasCut(): boolean }> {
  const proxy = await WebSocketProxy.start(world.url)
  const last = Number(message.split(' ')[1])
  let seen = 0
  const pass: WebSocketProxy['upward'] = frame => {
    seen += 1
    if (seen !== last) return [frame]
    proxy.breakUp()
    return []
  }
  proxy.upward = pass
  proxy.downward = pass
  return { url: proxy.url, hasCut: () => seen >= last }
}

describe('a connection that is cut', { timeout: 600_000 }, () => {
  it('in place of any message of a change of a key, or of an enrolment, breaks neither', async () => {
    await world.open()
    const chance = seededChance('cut connections')
    await sweepSteps(chance, { message: 12 }, async step => {
      const { url, hasCut } = await cutAt(step)
      await completes(world.refresh(url))
      await requireMended()
      return hasCut() ? step : undefined
    })
    await sweepSteps(chance, { message: 10 }, async step => {
      const before = await hostKvno()
      const code = await world.invite()
      const { url, hasCut } = await cutAt(step)
      await completes(world.join(code, url))
      await requireJoined(code, before)
      return hasCut() ? step : undefined
    })
  })
})
