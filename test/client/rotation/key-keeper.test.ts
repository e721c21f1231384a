import { describe, expect, it } from 'vitest'
import { KeyKeeper } from '../../../client/rotation/key-keeper.js'
import { silentLogger } from '../../../shared/logger.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'

/** When a client asks whether its key is due (docs/protocol.md section 12). */

function start(rotate: () => Promise<{ kvno: number | undefined; firstEnd: number }>, logger = silentLogger) {
  const clock = new TestClock()
  const keeper = new KeyKeeper({
    rotate,
    now: () => clock.now(),
    timers: clock,
    fraction: () => 0.5,
    logger,
  })
  return { clock, keeper }
}

describe('a keeper of keys', () => {
  it('asks again each day, although its logger fails', async () => {
    const fail = (): never => {
      throw new Error('the disk of the log is full')
    }
    let asked = 0
    const { clock } = start(
      async () => {
        asked++
        if (asked === 1) return { kvno: 2, firstEnd: Number.POSITIVE_INFINITY }
        throw new Error('the KDC is away')
      },
      { debug: fail, info: fail, warn: fail, error: fail },
    )
    await clock.elapse(DAY / 2)
    expect(asked).toBe(1)
    await clock.elapse(DAY)
    expect(asked).toBe(2)
    await clock.elapse(5 * MINUTE)
    expect(asked).toBe(3)
  })

  it('asks within a day where it is told that the key is due, and never once it is closed', async () => {
    let asked = 0
    const { clock, keeper } = start(async () => {
      asked++
      return { kvno: undefined, firstEnd: Number.POSITIVE_INFINITY }
    })
    await clock.elapse(DAY / 2)
    await clock.elapse(HOUR)
    keeper.ask()
    await clock.elapse(DAY / 2)
    expect(asked).toBe(2)
    keeper.close()
    keeper.ask()
    await clock.elapse(3 * DAY)
    expect(asked).toBe(2)
  })

  it('asks again the same day where it is told so while it asks, since the answer may be from before', async () => {
    let asked = 0
    const { clock, keeper } = start(async () => {
      if (++asked === 1) keeper.ask()
      return { kvno: undefined, firstEnd: Number.POSITIVE_INFINITY }
    })
    await clock.elapse(DAY / 2)
    expect(asked).toBe(1)
    await clock.elapse(DAY / 2)
    expect(asked).toBe(2)
    await clock.elapse(DAY / 2)
    expect(asked).toBe(2)
  })

  it('does not make whoever asks for another key wait longer for the failures before', async () => {
    const asked: number[] = []
    const { clock, keeper } = start(async () => {
      asked.push(clock.now())
      throw new Error('the KDC is away')
    })
    await clock.elapse(DAY)
    keeper.ask()
    await clock.elapse(DAY)
    const pauses = asked.slice(1).map((at, i) => (at - (asked[i] ?? 0)) / MINUTE)
    const growing = [3.75, 7.5, 15, 30, 60, 120, 180, 180, 180]
    expect(pauses.slice(0, 18)).toEqual([...growing, ...growing])
  })
})
