import { expect, it } from 'vitest'
import { Openings } from '../../../cli/tunnel/openings.js'
import type { Realm } from '../../../client/index.js'
import type { Channel } from '../../../shared/channel/channel.js'
import { systemTimers } from '../../../shared/timers.js'
import { TestLogger } from '../../support/logger.js'

/** Channels that are opened few at a time, of which nobody may want the last ones any more. */

it('opens no channel for what had to wait, and has gone or is given up by its turn', async () => {
  const opened: ((channel: Channel) => void)[] = []
  const realm = {
    openChannel: (_url: string, { signal }: { signal: AbortSignal }) => {
      signal.throwIfAborted()
      return new Promise<Channel>(resolve => opened.push(resolve))
    },
  } as unknown as Realm
  const openings = new Openings({ realm, service: 'redis', logger: new TestLogger(), timers: systemTimers })
  const asked: string[] = []
  const wanted = (name: string, isGone: boolean) => async () => {
    asked.push(name)
    if (isGone) throw new Error('gone')
  }
  const idle = new AbortController()
  const first = Array.from({ length: 8 }, () =>
    openings.open('tcp://a:1', idle.signal, wanted('first', true)),
  )
  const given = new AbortController()
  const later = [
    openings.open('tcp://a:1', idle.signal, wanted('gone', true)),
    openings.open('tcp://a:1', given.signal, wanted('given up', false)),
    openings.open('tcp://a:1', idle.signal, wanted('there', false)),
  ]
  given.abort(new Error('given up'))
  expect(opened.length).toBe(8)
  const channel = {} as Channel
  const settled = Promise.allSettled(later)
  for (const resolve of opened.splice(0)) resolve(channel)
  await Promise.all(first)
  await expect.poll(() => opened.length).toBe(1)
  opened[0]?.(channel)
  expect(await settled).toEqual([
    { status: 'rejected', reason: new Error('gone') },
    { status: 'rejected', reason: new Error('given up') },
    { status: 'fulfilled', value: channel },
  ])
  expect(asked).toEqual(['gone', 'given up', 'there'])
})
