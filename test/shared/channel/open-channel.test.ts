import { describe, expect, it } from 'vitest'
import { channelLimits } from '../../../shared/channel/channel-limits.js'
import { OpenChannel } from '../../../shared/channel/open-channel.js'
import { OrthrusError } from '../../../shared/errors.js'
import { SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { turns } from '../../support/turns.js'

/** One side of a channel by itself, over a port that does what the test says. */

const BEAT = 15 * SECOND

function side({ pings = false, isReading = (): boolean => true, maxBuffered = 300_000 } = {}) {
  const clock = new TestClock()
  const did: string[] = []
  let flush: (() => void) | undefined
  let isHeld = false
  const channel: OpenChannel = new OpenChannel({
    port: {
      send: message => {
        did.push(`send ${message.length}`)
        return isHeld
          ? new Promise(resolve => {
              flush = resolve
            })
          : Promise.resolve()
      },
      sendEnd: async () => void did.push('end'),
      sendNothing: () => void did.push('nothing'),
      ping: pings ? () => void did.push('ping') : undefined,
      get isReading() {
        return isReading()
      },
      close: cause => void did.push(`close ${cause?.code}`),
    },
    peer: 'live',
    endTime: clock.now() + 1000 * SECOND,
    endClock: () => clock.now(),
    timers: clock,
    maxBuffered,
    over: cause => void did.push(`over ${cause?.code}`),
  })
  channel.begin()
  return {
    clock,
    channel,
    did,
    hold: () => {
      isHeld = true
    },
    flush: () => flush?.(),
  }
}

const message = (length: number) => new Uint8Array(length).fill(length)
const BROKEN = ['over channel_broken', 'close channel_broken']

describe('a side of a channel', () => {
  it('sends an empty record in each interval in which it sent nothing, until it has ended', async () => {
    const { clock, channel, did } = side()
    const beat = async () => {
      channel.heard()
      clock.advance(BEAT)
      await turns()
    }
    await beat()
    await beat()
    await channel.send(message(1))
    await beat()
    await beat()
    await channel.end()
    await beat()
    expect(did).toEqual(['nothing', 'send 1', 'nothing', 'end'])
  })

  it('is over once the other side was not heard for 45 s, and not before', () => {
    const { clock, channel, did } = side()
    clock.advance(BEAT)
    channel.heard()
    clock.advance(3 * BEAT)
    expect(channel.isOver).toBe(false)
    clock.advance(BEAT)
    expect(did.slice(-2)).toEqual(BROKEN)
    expect(clock.timers.all).toBe(0)
  })

  it('does not miss the other side while it is not being read, or takes what it is sent', async () => {
    let isReading = false
    const slow = side({ isReading: () => isReading })
    slow.clock.advance(10 * BEAT)
    expect(slow.channel.isOver).toBe(false)
    isReading = true
    slow.clock.advance(4 * BEAT)
    expect(slow.channel.isOver).toBe(true)
    const taking = side()
    for (let i = 0; i < 10; i++) {
      await taking.channel.send(message(1))
      taking.clock.advance(BEAT)
    }
    expect(taking.channel.isOver).toBe(false)
  })

  it('asks the transport about a side that has ended, if it can', () => {
    const mute = side()
    mute.channel.peerEnded()
    mute.clock.advance(10 * BEAT)
    expect(mute.channel.isOver).toBe(false)
    const asked = side({ pings: true })
    asked.channel.peerEnded()
    asked.clock.advance(3 * BEAT)
    expect(asked.did.filter(what => what === 'ping')).toHaveLength(3)
    asked.clock.advance(BEAT)
    expect(asked.did.slice(-2)).toEqual(BROKEN)
  })

  it('hands a message to whoever has waited longest, and keeps the order', async () => {
    const { channel } = side()
    const [one, two] = [channel.receive(), channel.receive()]
    for (const length of [1, 2, 3, 4]) channel.take(message(length))
    expect([(await one)?.length, (await two)?.length]).toEqual([1, 2])
    expect([(await channel.receive())?.length, (await channel.receive())?.length]).toEqual([3, 4])
  })

  it('has no room for the next message while enough waits, and again once it was taken', async () => {
    const { channel } = side()
    expect(channel.take(message(60_000))).toBeUndefined()
    const room = channel.take(message(60_000))
    let isRoom = false
    void room?.then(() => {
      isRoom = true
    })
    await turns()
    expect(isRoom).toBe(false)
    await channel.receive()
    await turns()
    expect(isRoom).toBe(true)
    for (let i = 0; i < 15; i++) expect(channel.take(message(1)), String(i)).toBeUndefined()
    expect(channel.take(message(1))).toBeInstanceOf(Promise)
  })

  it('is over if a sender that cannot be slowed down fills what may wait', () => {
    const { channel, did } = side()
    for (let i = 0; i < 5; i++) void channel.take(message(60_000))
    expect(did).toEqual([])
    void channel.take(message(1))
    expect(did).toEqual(BROKEN)
  })

  it('copies what it hands on out of memory that others share', async () => {
    const { channel } = side()
    const slab = new Uint8Array(100).fill(7)
    channel.take(slab.subarray(10, 13))
    const taken = await channel.receive()
    expect([taken, taken?.buffer.byteLength]).toEqual([new Uint8Array(3).fill(7), 3])
  })

  it('counts what waits to be sent until it is sent', async () => {
    const { channel, did, hold, flush } = side({ maxBuffered: 100 })
    hold()
    const first = channel.send(message(60))
    flush()
    await first
    const second = channel.send(message(60))
    await expect(channel.send(message(41))).rejects.toMatchObject({ code: 'channel_broken' })
    expect(did).toEqual(['send 60', 'send 60', ...BROKEN])
    flush()
    await expect(second).rejects.toMatchObject({ code: 'channel_broken' })
  })

  it('is over when both have ended, whoever was first, and once', async () => {
    const first = side()
    first.channel.peerEnded()
    await first.channel.end()
    await first.channel.end()
    first.channel.abort()
    expect(first.did).toEqual(['end', 'over undefined', 'close undefined'])
    const second = side()
    const received = second.channel.receive()
    await second.channel.end()
    expect(second.channel.isOver).toBe(false)
    second.channel.peerEnded()
    expect([await received, await second.channel.closed]).toEqual([undefined, undefined])
  })

  it('hands on what was whole before an end, and nothing after a break', async () => {
    const ended = side()
    ended.channel.take(message(3))
    ended.channel.peerEnded()
    await ended.channel.end()
    expect((await ended.channel.receive())?.length).toBe(3)
    expect(await ended.channel.receive()).toBeUndefined()
    const cut = side()
    cut.channel.take(message(3))
    const cause = new OrthrusError('revoked', 'gone')
    cut.channel.break(cause)
    await expect(cut.channel.receive()).rejects.toBe(cause)
    expect(cut.channel.take(message(1))).toBeUndefined()
    await expect(cut.channel.end()).rejects.toBe(cause)
  })

  it('hands on nothing at its end time, not even what came before', async () => {
    const { channel, clock } = side()
    channel.take(message(3))
    clock.set(channel.endTime - 1)
    channel.take(message(4))
    expect((await channel.receive())?.length).toBe(3)
    clock.set(channel.endTime)
    await expect(channel.receive()).rejects.toMatchObject({ code: 'ticket_expired', final: true })
  })
})

describe('the limits of a channel', () => {
  it('have room for a message and what was read ahead', () => {
    expect(channelLimits({})).toEqual({ maxMessage: 1_048_576, maxBuffered: 17_039_360 })
    expect(channelLimits({ maxMessage: 10, maxBuffered: 262_154 }).maxBuffered).toBe(262_154)
    expect(() => channelLimits({ maxMessage: 10, maxBuffered: 262_153 })).toThrow(/at least 262154/)
    for (const wrong of [0, -1, 1.5, Number.NaN, '1'])
      expect(() => channelLimits({ maxMessage: wrong as number })).toThrow(TypeError)
  })
})
