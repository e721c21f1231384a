import { describe, expect, it } from 'vitest'
import { surviveEvent } from '../../../kdc/feed/survive-event.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { FeedSetting } from './setting.js'

/** A service that the KDC told for how long it is to go on without it. */
async function told(outage: number, maxStaleness?: number): Promise<FeedSetting> {
  const setting = await FeedSetting.connected({ maxStaleness })
  setting.kdc.channel.say(surviveEvent(outage))
  await turns()
  return setting
}

/** What it says of a ticket when no KDC has answered for that long. */
function afterSilence({ feed, kdc, clock }: FeedSetting, silence: number): boolean {
  kdc.isHeld = true
  clock.advance(silence)
  return feed.state.stale
}

describe('a service that is to go on for a day', () => {
  it('accepts for a day without a KDC, and not a moment longer', async () => {
    const setting = await told(DAY)
    expect(afterSilence(setting, DAY)).toBe(false)
    expect(setting.outcome(setting.ticket())).toBe('accepted')
    expect(afterSilence(setting, 1)).toBe(true)
    expect(setting.outcome(setting.ticket())).toBe('unavailable')
  })

  it('refuses what was revoked before', async () => {
    const setting = await told(DAY)
    const ticket = setting.ticket()
    setting.kdc.revoke({ kind: 'client', by: ticket.clientId })
    await turns()
    afterSilence(setting, 23 * HOUR)
    expect(setting.outcome(ticket)).toBe('revoked')
  })

  it.each([
    ['longer', 2 * DAY],
    ['shorter', 5 * MINUTE],
  ])('goes on for as long as its owner says, if that is %s', async (_, own) => {
    const setting = await told(DAY, own)
    expect(afterSilence(setting, own)).toBe(false)
    expect(afterSilence(setting, 1)).toBe(true)
  })

  it('goes on for no less than it would by itself', async () => {
    const setting = await told(MINUTE)
    expect(afterSilence(setting, 10 * MINUTE)).toBe(false)
    expect(afterSilence(setting, 1)).toBe(true)
  })

  it('goes on for a day over a channel that was lost, until a KDC says otherwise', async () => {
    const setting = await told(DAY)
    const { kdc, clock } = setting
    kdc.isHeld = true
    kdc.channel.cut()
    await clock.elapse(12 * HOUR)
    expect(setting.feed.state.stale).toBe(false)
    // It comes back without the setting.
    kdc.isHeld = false
    for (const channel of kdc.channels) channel.cut()
    await clock.elapse(10 * SECOND)
    expect(setting.feed.state).toMatchObject({ connected: true, stale: false })
    expect(afterSilence(setting, 11 * MINUTE)).toBe(true)
  })

  it('ends what goes on when it is to survive less, and that time is over', async () => {
    const setting = await told(DAY)
    afterSilence(setting, HOUR)
    const ended: unknown[] = []
    setting.feed.watch({ tickets: [setting.ticket()], isGone: false, end: cause => ended.push(cause) })
    setting.feed.survive(0)
    await turns()
    expect(ended).toEqual([expect.objectContaining({ code: 'unavailable' })])
  })

  it.each([[[]], [['1d']], [[400 * DAY]], [[DAY, 1]]])('takes %j for no such event', async fields => {
    const setting = await FeedSetting.connected({ maxStaleness: undefined })
    setting.kdc.channel.say({ name: 'survive', fields })
    await turns()
    expect(setting.kdc.channel.isOver).toBe(true)
    expect(afterSilence(setting, 11 * MINUTE)).toBe(true)
  })
})
