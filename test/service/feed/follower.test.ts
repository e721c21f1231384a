import { describe, expect, it } from 'vitest'
import type { Watched } from '../../../service/request/revocation.js'
import { OrthrusError } from '../../../shared/errors.js'
import { HOUR, MINUTE, nowBy, SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { eventOf } from './fake-feed.js'
import { BILLING, FeedSetting, ORDERS } from './setting.js'

describe('a service that follows the log', () => {
  it('refuses what is revoked as soon as the entry is there, and nothing else', async () => {
    const setting = await FeedSetting.connected()
    const { kdc } = setting
    const [web, other, shop] = [setting.ticket(), setting.ticket(), setting.ticket()]
    const again = setting.ticket({ clientId: web.clientId })
    kdc.revoke({ kind: 'client', by: web.clientId })
    kdc.revoke({ kind: 'ticket', by: other.ticketId })
    await turns()
    const outcomes = [web, again, other, shop].map(ticket => setting.outcome(ticket))
    expect(outcomes).toEqual(['revoked', 'revoked', 'revoked', 'accepted'])
    expect(setting.feed.state).toMatchObject({ connected: true, revocations: 2, full: false, stale: false })
  })

  it('asks for everything from the last entry that it has, then whether that is all, and says what it has seen', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    kdc.revoke({ kind: 'client', by: setting.ticket().clientId })
    await turns()
    expect(kdc.channel.calls).toEqual(['follow', 'alive', 'seen'])
    expect(kdc.channel.seen).toEqual([1])
    await clock.elapse(5 * SECOND)
    expect(kdc.channel.calls.slice(3)).toEqual(['alive'])
    kdc.channel.cut()
    kdc.revoke({ kind: 'client', by: setting.ticket().clientId })
    await clock.elapse(5 * SECOND)
    expect(kdc.channels.length).toBe(2)
    expect(kdc.channel.seen).toEqual([2])
    expect(setting.feed.state.revocations).toBe(2)
  })

  it('goes to the next of several KDCs at once, and waits only where that fails too', async () => {
    const setting = await FeedSetting.connected({ hasSeveral: true, fraction: () => 0.999 })
    const { kdc, clock } = setting
    kdc.channel.cut()
    kdc.revoke({ kind: 'client', by: setting.ticket().clientId })
    await clock.elapse(SECOND / 4)
    expect(setting.feed.state).toMatchObject({ connected: true, revocations: 1 })
    expect(setting.kinds()).toEqual(['feed_connected', 'feed_ended', 'feed_connected'])
    const { channels } = kdc
    kdc.failure = new OrthrusError('unavailable', 'away')
    kdc.channel.cut()
    await clock.elapse(SECOND)
    expect(channels).toHaveLength(2)
    kdc.failure = undefined
    await clock.elapse(5 * SECOND)
    expect(channels).toHaveLength(3)
  })

  it('asks the next of several KDCs soon while all of them fail, and less and less often', async () => {
    const setting = await FeedSetting.connected({ hasSeveral: true, fraction: () => 0.999 })
    const { kdc, clock } = setting
    kdc.failure = new OrthrusError('unavailable', 'away')
    kdc.channel.cut()
    await clock.elapse(25 * SECOND)
    const [, ...askedAt] = kdc.askedAt
    const pauses = askedAt.slice(1).map((at, index) => Math.round((at - (askedAt[index] ?? 0)) / 100) / 10)
    expect(pauses).toEqual([0.5, 1, 2, 4, 5, 5, 5])
  })

  it('says what it has seen on a channel that brought nothing new', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    kdc.revoke({ kind: 'client', by: setting.ticket().clientId })
    await turns()
    kdc.channel.cut()
    await clock.elapse(5 * SECOND)
    expect(kdc.channel.seen).toEqual([1])
  })

  it.each([
    ['a gap', (setting: FeedSetting) => setting.kdc.channel.skip()],
    ['an entry twice', (setting: FeedSetting) => setting.kdc.channel.repeat()],
  ])('gives a channel up for %s, and has it all from the next', async (_, disturb) => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    const tickets = [setting.ticket(), setting.ticket(), setting.ticket()]
    kdc.isHeld = true
    for (const { clientId } of tickets) kdc.revoke({ kind: 'client', by: clientId })
    disturb(setting)
    kdc.channel.release()
    await turns()
    expect(kdc.channels[0]?.isOver).toBe(true)
    kdc.isHeld = false
    await clock.elapse(5 * SECOND)
    expect(tickets.map(ticket => setting.outcome(ticket))).toEqual(['revoked', 'revoked', 'revoked'])
    expect(kdc.channels.length).toBe(2)
  })

  it('gives a channel up whose last entry was left out, when it asks whether that is all', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    const ticket = setting.ticket()
    kdc.isHeld = true
    kdc.revoke({ kind: 'client', by: ticket.clientId })
    kdc.channel.skip()
    kdc.isHeld = false
    expect(setting.outcome(ticket)).toBe('accepted')
    await clock.elapse(5 * SECOND)
    expect(kdc.channels[0]?.isOver).toBe(true)
    await clock.elapse(5 * SECOND)
    expect(setting.outcome(ticket)).toBe('revoked')
  })

  it.each([
    ['an event of an unknown name', { name: 'forget', fields: [] }],
    ['an entry of a wrong form', { name: 'entry', fields: [1] }],
    [
      'an entry of an unknown kind',
      { name: 'entry', fields: [1, new Uint8Array(8), 'realm', null, 1, 1, 1] },
    ],
  ])('gives a channel up for %s', async (_, event) => {
    const setting = await FeedSetting.connected()
    setting.kdc.channel.say(event)
    await turns()
    expect(setting.kdc.channel.isOver).toBe(true)
    expect(setting.feed.state.connected).toBe(false)
  })

  it('gives a channel up for an entry before the answer to its question', async () => {
    const setting = new FeedSetting()
    const { kdc } = setting
    kdc.isHeld = true
    await turns()
    const ticket = setting.ticket()
    kdc.channel.sayFirst(eventOf(kdc.revoke({ kind: 'client', by: ticket.clientId })))
    kdc.channel.release()
    expect(setting.feed.state.revocations).toBe(0)
    expect(kdc.channel.isOver).toBe(true)
  })

  it('connects again after 0.1 s to 5 s, at random', async () => {
    const pauses = [0, 0.25, 0.999].map(async fraction => {
      const setting = await FeedSetting.connected({ fraction: () => fraction })
      const { clock, kdc } = setting
      const start = clock.monotonic()
      kdc.channel.cut()
      await turns()
      while (kdc.channels.length < 2) await clock.elapse(25)
      return clock.monotonic() - start
    })
    expect(await Promise.all(pauses)).toEqual([100, 1325, 5000])
  })

  it('tells a failure once, until it is another one or is over', async () => {
    const setting = new FeedSetting()
    const { kdc, clock } = setting
    kdc.failure = new OrthrusError('unavailable', 'no KDC is reached')
    const restarted = new FeedSetting({}, kdc, clock)
    await clock.elapse(30 * SECOND)
    kdc.failure = new OrthrusError('auth_failed', 'the key is wrong')
    await clock.elapse(30 * SECOND)
    kdc.failure = undefined
    await clock.elapse(30 * SECOND)
    expect(restarted.kinds()).toEqual(['feed_failed', 'feed_failed', 'feed_connected'])
  })
})

describe('how long a service goes on without an answer', () => {
  it('refuses everything until a KDC has answered for the first time', async () => {
    const setting = new FeedSetting()
    expect(setting.outcome(setting.ticket())).toBe('unavailable')
    await turns()
    expect(setting.outcome(setting.ticket())).toBe('accepted')
  })

  it('counts maxStaleness from the sending of the last question that was answered', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    await clock.elapse(5 * SECOND)
    kdc.isHeld = true
    await clock.elapse(5 * SECOND)
    // This question was sent at second 10, and its answer comes at second 609.
    await clock.elapse(599 * SECOND)
    kdc.channel.release()
    await turns()
    expect(setting.feed.state.age).toBe(599 * SECOND)
    expect(setting.outcome(setting.ticket())).toBe('accepted')
    await clock.elapse(1 * SECOND + 1)
    expect(setting.outcome(setting.ticket())).toBe('unavailable')
    expect(setting.feed.state).toMatchObject({ stale: true })
    expect(setting.kinds()).toEqual(['feed_connected', 'feed_stale'])
  })

  it.each([
    ['the wall clock', (clock: FeedSetting['clock']) => clock.step(10 * MINUTE + 1)],
    [
      'the monotonic clock',
      (clock: FeedSetting['clock']) => {
        clock.pass(10 * MINUTE + 1)
        clock.step(-HOUR)
      },
    ],
  ])('counts by %s if it says more', async (_, move) => {
    const setting = await FeedSetting.connected()
    setting.kdc.isHeld = true
    move(setting.clock)
    expect(setting.outcome(setting.ticket())).toBe('unavailable')
  })

  it('gives whoever holds the bytes back for an hour, and lets the rest pass, no moment beyond maxStaleness', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    const thief = setting.ticket({ endTime: clock.now() + 2 * HOUR })
    kdc.isHeld = true
    const start = clock.now()
    kdc.revoke({ kind: 'client', by: thief.clientId })
    let last = start
    for (let minute = 0; minute < 60 * 4; minute++) {
      // Connections stay open and new ones are made: only what the feed says does not arrive, or arrives as before.
      await clock.elapse(15 * SECOND)
      if (setting.outcome(thief) === 'accepted') last = clock.now()
    }
    expect(last - start).toBeLessThanOrEqual(10 * MINUTE)
    expect(last - start).toBeGreaterThan(9 * MINUTE)
    kdc.isHeld = false
    for (const channel of kdc.channels) channel.release()
    await clock.elapse(10 * SECOND)
    expect(setting.outcome(thief)).toBe('revoked')
  })

  it('counts from the start with startWithoutFeed', async () => {
    const setting = new FeedSetting({ startWithoutFeed: true })
    setting.kdc.failure = new OrthrusError('unavailable', 'no KDC is reached')
    const alone = new FeedSetting({ startWithoutFeed: true }, setting.kdc, setting.clock)
    expect(alone.outcome(alone.ticket())).toBe('accepted')
    await setting.clock.elapse(10 * MINUTE)
    expect(alone.outcome(alone.ticket())).toBe('accepted')
    await setting.clock.elapse(1)
    expect(alone.outcome(alone.ticket())).toBe('unavailable')
  })

  it('is not kept from ending its process', async () => {
    const setting = await FeedSetting.connected()
    expect(setting.clock.timers).toMatchObject({ held: 0 })
    setting.kdc.channel.cut()
    await turns()
    expect(setting.clock.timers).toMatchObject({ all: 1, held: 0 })
    setting.feed.close()
    await turns()
    expect(setting.clock.timers.all).toBe(0)
  })
})

describe('the keys of a service that follows the log', () => {
  it('go as they are told, and what they sealed is revoked even if a keytab brings them back', async () => {
    const dropped: number[] = []
    const setting = await FeedSetting.connected({ onKeyRevoked: kvno => void dropped.push(kvno) })
    const { kdc, keys } = setting
    const key = keys.get(2)
    kdc.revoke({ kind: 'key', by: 2 }, ORDERS)
    await turns()
    expect([keys.kvnos, dropped]).toEqual([[3], [2]])
    expect(setting.told.at(-1)).toMatchObject({ kind: 'key_revoked', kvnos: [2, 1], left: [3] })
    if (key !== undefined) keys.add(2, key)
    expect(setting.outcome(setting.ticket({ kvno: 2 }))).toBe('revoked')
    expect(setting.outcome(setting.ticket({ kvno: 3 }))).toBe('accepted')
  })

  it.each([
    ['of others', BILLING],
    ['whose owner is not told', null],
  ])('stay for keys %s', async (_, owner) => {
    const setting = await FeedSetting.connected()
    setting.kdc.revoke({ kind: 'key', by: 9 }, owner)
    await turns()
    expect(setting.keys.kvnos).toEqual([3, 2, 1])
    expect(setting.kdc.channel.seen).toEqual([1])
  })
})

describe('what a service forgets', () => {
  it('is what lies below the oldest entry of the log, and by no clock of its own', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    const [first, second] = [setting.ticket(), setting.ticket()]
    for (const { clientId } of [first, second]) kdc.revoke({ kind: 'client', by: clientId })
    await clock.elapse(3 * HOUR)
    expect([first, second].map(ticket => setting.outcome(ticket))).toEqual(['revoked', 'revoked'])
    kdc.drop(1)
    await clock.elapse(5 * SECOND)
    expect([first, second].map(ticket => setting.outcome(ticket))).toEqual(['accepted', 'revoked'])
  })

  it('is nothing of another log before both clocks are past it', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    const ticket = setting.ticket()
    kdc.revoke({ kind: 'client', by: ticket.clientId })
    await turns()
    kdc.restore()
    setting.kdcAhead = 2 * HOUR
    await clock.elapse(HOUR)
    expect(setting.outcome(ticket)).toBe('revoked')
    setting.kdcAhead = -HOUR
    await clock.elapse(10 * SECOND)
    expect(setting.outcome(ticket)).toBe('revoked')
    setting.kdcAhead = 0
    await clock.elapse(10 * SECOND)
    expect(setting.outcome(ticket)).toBe('accepted')
  })

  it('is nothing of a log that was rolled back, whose numbers are given a second time', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, clock } = setting
    const [kept, undone, later] = [setting.ticket(), setting.ticket(), setting.ticket()]
    for (const { clientId } of [kept, undone]) kdc.revoke({ kind: 'client', by: clientId })
    await turns()
    kdc.rollBack(1)
    kdc.revoke({ kind: 'client', by: later.clientId })
    await clock.elapse(10 * SECOND)
    const outcomes = [kept, undone, later, setting.ticket()].map(ticket => setting.outcome(ticket))
    expect(outcomes).toEqual(['revoked', 'revoked', 'revoked', 'accepted'])
    expect(setting.feed.state).toMatchObject({ connected: true, revocations: 3 })
  })

  it('is nothing beyond its bound: then it refuses all, and goes on when there is room', async () => {
    const setting = await FeedSetting.connected({ maxRevocations: 4 })
    const { kdc, clock } = setting
    const tickets = Array.from({ length: 5 }, () => setting.ticket())
    for (const { clientId } of tickets.slice(0, 4)) kdc.revoke({ kind: 'client', by: clientId })
    await turns()
    expect(setting.kinds()).toEqual(['feed_connected', 'feed_half_full'])
    expect(setting.outcome(setting.ticket())).toBe('accepted')
    kdc.revoke({ kind: 'client', by: tickets[4]?.clientId ?? new Uint8Array() })
    await turns()
    expect(setting.outcome(setting.ticket())).toBe('unavailable')
    expect(tickets.slice(0, 4).map(ticket => setting.outcome(ticket))).toEqual(Array(4).fill('revoked'))
    await clock.elapse(MINUTE)
    expect(setting.feed.state).toMatchObject({ full: true, revocations: 4 })
    expect(setting.kinds().filter(kind => kind === 'feed_full').length).toBe(1)
    kdc.drop(1)
    await clock.elapse(10 * SECOND)
    expect(setting.feed.state).toMatchObject({ full: false, revocations: 4, connected: true })
    expect(tickets.slice(1).map(ticket => setting.outcome(ticket))).toEqual(Array(4).fill('revoked'))
    expect(setting.outcome(setting.ticket())).toBe('accepted')
  })
})

describe('KDC time as the feed tells it', () => {
  it('ends tickets where it is later than the own clock', async () => {
    const setting = new FeedSetting()
    setting.kdcAhead = 90 * SECOND
    expect(setting.feed.endClock({ wall: 1_000, monotonic: 1 })).toBe(1_000)
    await turns()
    const { clock, feed } = setting
    expect(feed.endClock(nowBy(clock))).toBe(clock.now() + 90 * SECOND)
    await clock.elapse(3 * SECOND)
    expect(feed.endClock(nowBy(clock))).toBe(clock.now() + 90 * SECOND)
    expect(feed.endClock({ ...nowBy(clock), wall: clock.now() + HOUR })).toBe(clock.now() + HOUR)
    expect(feed.state.kdcTimeOffset).toBe(90 * SECOND)
  })
})

describe('what ends at once', () => {
  it('is everything that goes on under a revoked ticket, once', async () => {
    const setting = await FeedSetting.connected()
    const { kdc, feed, clock } = setting
    const tickets = [setting.ticket(), setting.ticket(), setting.ticket({ kvno: 1 }), setting.ticket()]
    const ended: string[] = []
    const watch = (name: string, under: readonly number[], isGone = false): Watched => {
      const watched = {
        tickets: tickets.filter((_, at) => under.includes(at)),
        isGone,
        end: ({ code }: OrthrusError) => void ended.push(`${name} ${code}`),
      }
      feed.watch(watched)
      return watched
    }
    for (const ticket of tickets) feed.requireValid(ticket, nowBy(clock))
    watch('own', [0])
    watch('both', [3, 1])
    watch('key', [2])
    watch('none', [3])
    feed.forget(watch('over', [0]))
    watch('gone', [0], true)
    kdc.revoke({ kind: 'client', by: tickets[0]?.clientId ?? new Uint8Array() })
    await turns()
    expect(ended).toEqual(['own revoked'])
    kdc.revoke({ kind: 'ticket', by: tickets[1]?.ticketId ?? new Uint8Array() })
    await turns()
    kdc.revoke({ kind: 'key', by: 1 }, ORDERS)
    await turns()
    expect(ended).toEqual(['own revoked', 'both revoked', 'key revoked'])
  })

  it.each([
    ['time passes', (_: FeedSetting) => {}, 10 * MINUTE + 1],
    ['the wall clock leaps', ({ clock }: FeedSetting) => clock.step(10 * MINUTE), SECOND],
    [
      'the machine slept, and its monotonic clock with it',
      ({ clock }: FeedSetting) => clock.step(11 * MINUTE),
      SECOND,
    ],
    [
      'time passed, and the wall clock was set back',
      ({ clock }: FeedSetting) => {
        clock.pass(11 * MINUTE)
        clock.step(-11 * MINUTE)
      },
      SECOND,
    ],
  ])('is everything once no KDC has answered for maxStaleness, where %s', async (_, move, within) => {
    const setting = await FeedSetting.connected()
    const { kdc, feed, clock } = setting
    const ended: string[] = []
    const end = ({ code }: OrthrusError): void => void ended.push(code)
    const [sooner, later] = [setting.ticket(), setting.ticket()]
    feed.watch({ tickets: [sooner], end })
    kdc.isHeld = true
    await clock.elapse(SECOND)
    expect(ended).toEqual([])
    feed.watch({ tickets: [later, sooner], end })
    const start = clock.now()
    move(setting)
    await clock.elapse(within - SECOND - 1)
    expect(within > SECOND ? ended : []).toEqual([])
    await clock.elapse(SECOND + 1)
    expect(ended).toEqual(['unavailable', 'unavailable'])
    expect(setting.kinds()).toContain('feed_stale')
    expect(clock.now() - start).toBeLessThanOrEqual(12 * MINUTE)
  })

  it('is nothing that is over, and no timer is left by it', async () => {
    const setting = await FeedSetting.connected()
    const { feed, clock } = setting
    const { all } = clock.timers
    const watched = [1, 2, 3].map(() => ({ tickets: [setting.ticket()], isGone: false, end: () => {} }))
    for (const one of watched) feed.watch(one)
    expect(clock.timers).toMatchObject({ all: all + 1, held: 0 })
    for (const one of watched.slice(1)) feed.forget(one)
    await clock.elapse(2 * SECOND)
    expect(clock.timers).toMatchObject({ all: all + 1, held: 0 })
    for (const one of watched) one.isGone = true
    await clock.elapse(2 * SECOND)
    expect(clock.timers).toMatchObject({ all, held: 0 })
  })

  it('is everything once there is no room for what was revoked, since that may be what goes on', async () => {
    const setting = await FeedSetting.connected({ maxRevocations: 1 })
    const { kdc, feed } = setting
    const ended: string[] = []
    const ticket = setting.ticket()
    feed.watch({ tickets: [ticket], end: ({ code }) => void ended.push(code) })
    kdc.revoke({ kind: 'client', by: setting.ticket().clientId })
    await turns()
    expect(ended).toEqual([])
    kdc.revoke({ kind: 'ticket', by: ticket.ticketId })
    await turns()
    expect(ended).toEqual(['unavailable'])
  })

  it('is not kept open by one that cannot be ended', async () => {
    const setting = await FeedSetting.connected()
    const ticket = setting.ticket()
    const ended: string[] = []
    const tickets = [ticket]
    const end = (): void => {
      throw new RangeError('a fault')
    }
    setting.feed.watch({ tickets, end })
    setting.feed.watch({ tickets, end: () => void ended.push('the other') })
    setting.kdc.revoke({ kind: 'client', by: ticket.clientId })
    await turns()
    expect(ended).toEqual(['the other'])
  })
})
