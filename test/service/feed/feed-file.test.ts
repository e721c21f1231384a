import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { surviveEvent } from '../../../kdc/feed/survive-event.js'
import { takeSavedFeed, writeSavedFeed } from '../../../service/feed/feed-file.js'
import { formatSavedFeed, parseSavedFeed, type SavedFeed } from '../../../service/feed/saved-feed.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { startRealm } from '../../../testing/index.js'
import { temporaryFolder } from '../../end-to-end/processes.js'
import { TestLogger } from '../../support/logger.js'
import { turns, until } from '../../support/turns.js'
import { BILLING, FeedSetting, ORDERS } from './setting.js'

/** What an orderly end leaves for the next start. */

const logId = systemRandom(16)
const saved: SavedFeed = {
  service: ORDERS,
  sent: 1_800_000_000_000,
  outage: 86_400_000,
  lastKvno: 1,
  position: { logId, seq: 9, mark: systemRandom(8) },
  logs: [
    {
      logId,
      keepUntil: 1_800_003_600_000,
      entries: [
        { seq: 7, by: systemRandom(8) },
        { seq: 9, by: systemRandom(16) },
      ],
    },
  ],
}

async function folder(): Promise<string> {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  return folder
}

describe('the text of a saved feed', () => {
  it('gives the same again', () => {
    expect(parseSavedFeed(formatSavedFeed(saved))).toEqual(saved)
    const empty = { ...saved, outage: 0, position: null, logs: [] }
    expect(parseSavedFeed(formatSavedFeed(empty))).toEqual(empty)
  })

  it('is refused wherever it is cut off or changed', () => {
    const text = formatSavedFeed(saved)
    for (let at = 0; at < text.length; at++) {
      expect(() => parseSavedFeed(text.slice(0, at))).toThrow('malformed')
      const other = text[at] === 'x' ? 'y' : 'x'
      expect(() => parseSavedFeed(`${text.slice(0, at)}${other}${text.slice(at + 1)}`)).toThrow('malformed')
    }
  })
})

describe('the file of a saved feed', () => {
  it('is private, and is gone once it is read', async () => {
    const path = join(await folder(), 'feed')
    await writeSavedFeed(path, saved)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await takeSavedFeed(path, ORDERS)).toEqual(saved)
    expect(await takeSavedFeed(path, ORDERS)).toBeUndefined()
  })

  it('is not used and does not stay if it was cut off', async () => {
    const path = join(await folder(), 'feed')
    await writeSavedFeed(path, saved)
    await writeFile(path, (await readFile(path)).subarray(0, -9))
    await expect(takeSavedFeed(path, ORDERS)).rejects.toThrow(/malformed/)
    expect(await takeSavedFeed(path, ORDERS)).toBeUndefined()
  })

  it('stays if it is of another service, which needs it at its own next start', async () => {
    const path = join(await folder(), 'feed')
    await writeSavedFeed(path, { ...saved, service: BILLING })
    await expect(takeSavedFeed(path, ORDERS)).rejects.toThrow(`is of ${BILLING}`)
    expect(await takeSavedFeed(path, BILLING)).toEqual({ ...saved, service: BILLING })
  })

  it('is not used if others can read it', async () => {
    const path = join(await folder(), 'feed')
    await writeSavedFeed(path, saved)
    await chmod(path, 0o644)
    for (let i = 0; i < 2; i++)
      await expect(takeSavedFeed(path, ORDERS)).rejects.toThrow(/by others \(mode 644\)/)
  })

  it.each(['', '# orthrus keytab 1\n', '# orthrus feed 10\n', `x${formatSavedFeed(saved)}`])(
    'stays if it is another file that was named by mistake, as the keytab: %j',
    async text => {
      const path = join(await folder(), 'web.keytab')
      await writeFile(path, text, { mode: 0o600 })
      await expect(takeSavedFeed(path, ORDERS)).rejects.toThrow(/is not a saved feed/)
      expect(await readFile(path, 'utf8')).toBe(text)
    },
  )

  it('is not read through a link, which stays with its file', async () => {
    const inside = await folder()
    await writeSavedFeed(join(inside, 'other'), saved)
    await symlink('other', join(inside, 'feed'))
    await expect(takeSavedFeed(join(inside, 'feed'), ORDERS)).rejects.toThrow('symbolic link')
    expect((await readdir(inside)).sort()).toEqual(['feed', 'other'])
  })
})

describe('a service that starts with what an orderly end saved', () => {
  async function restarted(away: number, more: Partial<ConstructorParameters<typeof FeedSetting>[0]> = {}) {
    const before = await FeedSetting.connected()
    const { kdc, clock } = before
    const ticket = before.ticket()
    kdc.revoke({ kind: 'client', by: ticket.clientId })
    kdc.revoke({ kind: 'key', by: 1 }, ORDERS)
    await turns()
    const left = before.feed.close()
    kdc.isHeld = true
    if (away < 0) clock.step(away)
    else clock.advance(away)
    const after = new FeedSetting(
      { saved: left && parseSavedFeed(formatSavedFeed(left)), ...more },
      kdc,
      clock,
    )
    return { after, kdc, clock, ticket }
  }

  it('still goes on for as long as the realm was set to survive', async () => {
    const before = await FeedSetting.connected({ maxStaleness: undefined })
    const { kdc, clock } = before
    kdc.channel.say(surviveEvent(DAY))
    await turns()
    const left = before.feed.close()
    kdc.isHeld = true
    clock.advance(23 * HOUR)
    const text = left && formatSavedFeed(left)
    const after = new FeedSetting(
      { saved: text === undefined ? undefined : parseSavedFeed(text), maxStaleness: undefined },
      kdc,
      clock,
    )
    expect(after.outcome(after.ticket())).toBe('accepted')
    clock.advance(HOUR + 1)
    expect(after.outcome(after.ticket())).toBe('unavailable')
  })

  it('accepts at once, refuses what was revoked, and counts the time since', async () => {
    const { after, clock, ticket, kdc } = await restarted(4 * MINUTE)
    expect(after.outcome(after.ticket())).toBe('accepted')
    expect(after.outcome(ticket)).toBe('revoked')
    expect(after.keys.kvnos).toEqual([3, 2])
    await clock.elapse(6 * MINUTE)
    expect(after.outcome(after.ticket())).toBe('accepted')
    await clock.elapse(1)
    expect(after.outcome(after.ticket())).toBe('unavailable')
    kdc.isHeld = false
    kdc.channel.release()
    await clock.elapse(6 * SECOND)
    expect(after.outcome(after.ticket())).toBe('accepted')
    expect(kdc.channel.seen).toEqual([2])
  })

  it('goes on where it was, without having everything again', async () => {
    const { after, kdc } = await restarted(0)
    await turns()
    kdc.channel.skip()
    kdc.isHeld = false
    kdc.channel.release()
    await turns()
    expect(after.feed.state).toMatchObject({ connected: true, revocations: 1 })
    expect(kdc.channel.isOver).toBe(false)
  })

  it('waits for a KDC if the clock went back, since nobody knows how long it was away', async () => {
    const { after } = await restarted(-MINUTE)
    expect(after.outcome(after.ticket())).toBe('unavailable')
  })

  it('saves it again if no KDC answered meanwhile, with the time of the last answer', async () => {
    const { after } = await restarted(MINUTE)
    expect(after.feed.close()?.sent).toBe(after.clock.now() - MINUTE)
    const anew = await restarted(MINUTE, { startWithoutFeed: true })
    expect(anew.after.feed.close()?.sent).toBe(anew.clock.now() - MINUTE)
  })

  it('saves nothing if no KDC ever answered, or if there was no room', async () => {
    expect(new FeedSetting({ startWithoutFeed: true }).feed.close()).toBeUndefined()
    const setting = await FeedSetting.connected({ maxRevocations: 1 })
    for (let i = 0; i < 2; i++) setting.kdc.revoke({ kind: 'client', by: setting.ticket().clientId })
    await turns()
    expect(setting.feed.close()).toBeUndefined()
  })
})

describe('loadService with a feedFile', () => {
  it('saves at its end, starts from it, and says what it cannot use', async () => {
    const feedFile = join(await folder(), 'feed')
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    await realm.add('orders')
    const first = await realm.loadService('orders', { kdc: realm.kdc.url, feedFile })
    await until(() => first.state.ready)
    await first.close()
    expect(parseSavedFeed(await readFile(feedFile, 'utf8')).service).toBe('orders@test.example')
    const second = await realm.loadService('orders', { kdc: 'ws://127.0.0.1:9', feedFile })
    expect(second.state).toMatchObject({ ready: true, feed: { connected: false, age: 0 } })
    realm.clock.advance(HOUR)
    await second.close()
    expect(parseSavedFeed(await readFile(feedFile, 'utf8')).sent).toBe(realm.clock.now() - HOUR)
    const logger = new TestLogger()
    await writeFile(feedFile, formatSavedFeed({ ...saved, service: BILLING }))
    const third = await realm.loadService('orders', { kdc: 'ws://127.0.0.1:9', feedFile, logger })
    expect(third.state.ready).toBe(false)
    expect(logger.lines[0]).toMatchObject({ level: 'warn', fields: { kind: 'feed_not_loaded' } })
    await third.close()
  })
})
