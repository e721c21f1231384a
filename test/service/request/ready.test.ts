import { describe, expect, it } from 'vitest'
import { partsOf } from '../../../service/request/service.js'
import { SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { loadService } from '../../support/load-service.js'
import { TestLogger } from '../../support/logger.js'
import { keytab } from '../realm.js'

async function start() {
  const clock = new TestClock()
  const service = await loadService({
    keytab,
    service: 'orders',
    clock,
    timers: clock,
    logger: new TestLogger(),
  })
  let outcome = 'waits'
  service.ready().then(
    () => {
      outcome = 'ready'
    },
    ({ code }) => {
      outcome = code
    },
  )
  return { clock, service, outcome: () => outcome }
}

describe('service.ready()', () => {
  it('resolves a second after the floor of the start, and at once from then on', async () => {
    const { clock, service, outcome } = await start()
    await clock.elapse(7 * SECOND - 1)
    expect(outcome()).toBe('waits')
    await clock.elapse(1)
    expect(outcome()).toBe('ready')
    await service.ready()
    expect(clock.timers.all).toBe(0)
  })

  it('keeps the process alive while it waits, and goes on waiting while the clock is set back', async () => {
    const { clock, outcome } = await start()
    expect(clock.timers).toEqual({ all: 1, held: 1 })
    clock.step(-SECOND)
    await clock.elapse(7 * SECOND)
    expect(outcome()).toBe('waits')
    await clock.elapse(SECOND)
    expect(outcome()).toBe('ready')
  })

  it('does not wait where the replay cache tells no floor', async () => {
    const replayCache = { admit: () => ({ now: 0, floor: 0 }) }
    const service = await loadService({ keytab, service: 'orders', replayCache })
    await service.ready()
  })

  it('rejects when the service is closed, before or meanwhile', async () => {
    const { clock, service, outcome } = await start()
    await service.close()
    await clock.elapse(0)
    expect(outcome()).toBe('unavailable')
    expect(clock.timers.all).toBe(0)
    await expect(service.ready()).rejects.toThrow('the service was closed')
    expect(partsOf(service).closing.isClosed).toBe(true)
  })
})
