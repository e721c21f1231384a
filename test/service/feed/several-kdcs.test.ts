import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { changingKeytab } from '#keytab-file'
import { connect } from '../../../client/connect.js'
import { rotateKey } from '../../../client/rotation/rotate.js'
import { loadService, type Service } from '../../../service/index.js'
import { parseKeytab } from '../../../shared/keytab/keytab.js'
import { principalIn } from '../../../shared/principal.js'
import { SECOND } from '../../../shared/time.js'
import { createTestClock, type TestClock } from '../../../testing/index.js'
import { failureOf } from '../../support/failure.js'
import { TestLogger } from '../../support/logger.js'
import { type SharedRealm, startSharedRealm } from '../../support/shared-realm.js'
import { turns, until } from '../../support/turns.js'
import { WebSocketProxy } from '../../support/websocket-proxy.js'
import { FakeFeed } from './fake-feed.js'
import { FeedSetting } from './setting.js'

/** A service that follows the log of a realm with several KDCs, over real sockets, on a clock that the test moves. */

interface Setting {
  readonly clock: TestClock
  readonly realm: SharedRealm
  readonly service: Service
  readonly logger: TestLogger
  /** The network in front of each KDC. */
  readonly ways: readonly WebSocketProxy[]
  /** The way over which the service follows. */
  used(): WebSocketProxy
}

async function following(): Promise<Setting> {
  const clock = createTestClock()
  const realm = await startSharedRealm(3, { clock, timers: clock })
  const ways = await Promise.all(realm.urls.map(url => WebSocketProxy.start(url)))
  const { text } = await realm.add('orders')
  const logger = new TestLogger()
  const service = await loadService({
    keytab: { text },
    kdc: ways.map(({ url }) => url),
    ...{ clock, timers: clock, logger, allowReplayAcrossProcesses: true },
  })
  onTestFinished(() => service.close())
  await until(() => service.state.feed?.connected === true)
  const heard = (way: WebSocketProxy): number => way.toClient.length
  const used = (): WebSocketProxy =>
    ways.toSorted((one, other) => heard(other) - heard(one))[0] as WebSocketProxy
  return { clock, realm, service, logger, ways, used }
}

/** Moves time in small steps until it is so. @returns how much of it passed, milliseconds */
async function passing(clock: TestClock, isSo: () => boolean, most: number): Promise<number> {
  const start = clock.monotonic()
  while (!isSo() && clock.monotonic() - start < most) {
    clock.advance(50)
    await turns(20)
  }
  expect(isSo()).toBe(true)
  return clock.monotonic() - start
}

async function revoke({ realm }: Setting, ...names: string[]): Promise<void> {
  for (const name of names) {
    await realm.add(name)
    await realm.administration.revocations.client(principalIn(realm.realm, name))
  }
}

const revocations = ({ service }: Setting): number | undefined => service.state.feed?.revocations

describe('a service that follows one of several KDCs', () => {
  it('goes on at another when that one is gone, without a gap, and everything only once', async () => {
    const setting = await following()
    const { clock, service } = setting
    await revoke(setting, 'a', 'b')
    await until(() => revocations(setting) === 2)
    const first = setting.used()
    first.upward = () => []
    first.breakUp()
    await until(() => service.state.feed?.connected === false)
    // While nobody tells it.
    await revoke(setting, 'c')
    const passed = await passing(clock, () => service.state.feed?.connected === true, 10 * SECOND)
    expect(passed).toBeLessThan(2 * SECOND)
    expect(revocations(setting)).toBe(3)
    expect(
      setting.logger.lines.filter(({ message }) => message.includes('log of revocations is another')),
    ).toEqual([])
    await revoke(setting, 'd')
    await until(() => revocations(setting) === 4)
  })

  it('goes on at another when that one is frozen, long before what it knows is stale', async () => {
    const setting = await following()
    const { clock, service } = setting
    const first = setting.used()
    for (const way of setting.ways) way.toClient.length = 0
    first.downward = () => []
    let oldest = 0
    const moved = (): boolean => {
      oldest = Math.max(oldest, service.state.feed?.age ?? Number.POSITIVE_INFINITY)
      return setting.used() !== first && setting.used().toClient.length > 3
    }
    await passing(clock, moved, 60 * SECOND)
    await revoke(setting, 'a')
    await until(() => revocations(setting) === 1)
    // A proxy that answers pings, and loses the rest, is the worst: a question and its time limit, and the next.
    expect(oldest).toBeLessThan(30 * SECOND)
    expect(service.state.ready).toBe(true)
  })
})

describe('KDCs with different logs of revocations', () => {
  /** A service that has followed the one and then the other. */
  async function changed(hasSeveral: boolean): Promise<{ setting: FeedSetting; back: () => Promise<void> }> {
    const setting = await FeedSetting.connected({ hasSeveral })
    const { kdc, clock } = setting
    const first = kdc.logId
    kdc.logId = new FakeFeed(() => 0).logId
    kdc.channel.cut()
    await clock.elapse(5 * SECOND)
    const back = async (): Promise<void> => {
      kdc.logId = first
      kdc.channel.cut()
      await clock.elapse(5 * SECOND)
    }
    return { setting, back }
  }

  it('are told when the log changes, and the one that was left is followed no more', async () => {
    const { setting, back } = await changed(true)
    expect(setting.kinds()).toEqual(['feed_connected', 'feed_ended', 'feed_log_changed', 'feed_connected'])
    await back()
    expect(setting.feed.state.connected).toBe(false)
    expect(setting.kinds().slice(4)).toEqual(['feed_ended', 'feed_failed'])
    expect(setting.told.at(-1)).toMatchObject({ err: { code: 'realm_mismatch' } })
    // The other is followed again, and it is not told that it is another.
    setting.kdc.logId = new FakeFeed(() => 0).logId
    await setting.clock.elapse(6 * SECOND)
    expect(setting.feed.state.connected).toBe(true)
  })

  it('are one KDC whose realm was restored, and put back, where there is one', async () => {
    const { setting, back } = await changed(false)
    await back()
    expect(setting.feed.state.connected).toBe(true)
    expect(setting.kinds()).not.toContain('feed_log_changed')
  })
})

describe('a key that changes', () => {
  it('is staged by one KDC and made current by another, where the first fails between', async () => {
    const clock = createTestClock()
    const realm = await startSharedRealm(2, { clock, timers: clock })
    const ways = await Promise.all(realm.urls.map(url => WebSocketProxy.start(url)))
    const { text, entry } = await realm.add('web')
    const folder = await mkdtemp(join(tmpdir(), 'orthrus-several-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'web.keytab')
    await writeFile(path, text.replace('\n', `\n# kdc ${ways.map(({ url }) => url)}\n`), { mode: 0o600 })
    const web = await connect({ keytab: path, clock, timers: clock, logger: new TestLogger() })
    onTestFinished(() => web.close())
    const used: WebSocketProxy[] = []
    const keytab = changingKeytab(path, { clock, timers: clock })
    const rotated = rotateKey(web, {
      keytab,
      wanted: true,
      onKeys: () => {
        if (used.length > 0) return
        const [first] = ways.filter(({ toClient }) => toClient.length > 0)
        if (first === undefined) throw new Error('no KDC was asked')
        used.push(first)
        first.breakUp()
        first.upward = () => []
      },
    })
    // What is left to do over the channel of the first is done by the next round.
    expect(await failureOf(rotated)).toMatchObject({ code: 'channel_broken' })
    expect(used).toHaveLength(1)
    expect((await realm.administration.show(entry.principal)).kvnos).toEqual([2])
    expect((await rotateKey(web, { keytab, wanted: false })).kvno).toBeUndefined()
    const after = await readFile(path, 'utf8')
    expect(parseKeytab(after).map(({ kvno }) => kvno)).toEqual([1, 2])
    expect(after).toContain(`\n# kdc ${ways.map(({ url }) => url)}\n`)
    expect((await realm.administration.show(entry.principal)).kvnos).toEqual([2])
  })
})
