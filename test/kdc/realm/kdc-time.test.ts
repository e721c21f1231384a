import { describe, expect, it } from 'vitest'
import { clockFault, reportClock } from '../../../kdc/realm/clock-report.js'
import { KdcTime } from '../../../kdc/realm/kdc-time.js'
import type { KdcEvent } from '../../../kdc/report/events.js'
import { logListener } from '../../../kdc/report/log.js'
import { createReport } from '../../../kdc/report/report.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { TestLogger } from '../../support/logger.js'

/** The time of a KDC that tells of its clock. */
function scene() {
  const clock = new TestClock()
  const events: KdcEvent[] = []
  const logger = new TestLogger()
  const time = new KdcTime(clock)
  const log = logListener(logger, () => clock.monotonic())
  reportClock(time, createReport([log, event => void events.push(event)]))
  return { clock, time, events, logger, fault: () => clockFault(time.look()) }
}

describe('the clock of a KDC', () => {
  it.each([
    [SECOND + 1, "the KDC's clock leapt ahead: it was set, or this machine slept", / leapt ahead by 1 s,/],
    [HOUR, "the KDC's clock leapt ahead: it was set, or this machine slept", / leapt ahead by 3600 s,/],
    [-SECOND - 1, "the KDC's clock leapt back: it was set", / leapt back by 1 s,/],
    [-HOUR, "the KDC's clock leapt back: it was set", / leapt back by 3600 s,/],
  ])('that leaps by %d ms between two requests is an error in the log, once', (by, message, fault) => {
    const { clock, time, events, logger, ...the } = scene()
    time.now()
    clock.pass(5 * MINUTE)
    clock.step(by)
    for (let i = 0; i < 3; i++) time.now()
    const told = { by, leapt: by, hint: expect.stringContaining('set it') }
    expect(events).toEqual([{ kind: 'clock_leapt', ...told }])
    expect(logger.lines).toEqual([{ level: 'error', message, fields: told }])
    expect(time.look()).toEqual({ leapt: by })
    expect(the.fault()).toMatch(fault)
  })

  it.each([SECOND, -SECOND])('may differ from the monotonic one by %d ms', by => {
    const { clock, time, events, ...the } = scene()
    clock.step(by)
    time.now()
    clock.pass(HOUR)
    time.now()
    expect(events).toEqual([])
    expect(the.fault()).toBeUndefined()
  })

  it('is checked without a request', () => {
    const { clock, time, events } = scene()
    clock.step(HOUR)
    time.look()
    expect(events).toMatchObject([{ kind: 'clock_leapt', by: HOUR }])
  })

  it('that leapt, as when the machine slept, is called wrong for an hour after the last leap, and the end is logged', () => {
    const { clock, time, events, logger, ...the } = scene()
    clock.step(2 * HOUR)
    time.now()
    clock.pass(HOUR - 1)
    expect(the.fault()).toMatch(/ leapt ahead by 7200 s, /)
    clock.step(HOUR)
    time.now()
    clock.pass(HOUR - 1)
    expect(the.fault()).toMatch(/ leapt ahead by 10800 s, /)
    clock.pass(1)
    expect(the.fault()).toBeUndefined()
    expect(time.look()).toEqual({ leapt: 0 })
    expect(events.slice(2)).toEqual([{ kind: 'clock_steady', leapt: 3 * HOUR }])
    expect(logger.lines.at(-1)).toMatchObject({ level: 'info', fields: { leapt: 3 * HOUR } })
    clock.step(-HOUR)
    time.now()
    expect(the.fault()).toMatch(/ leapt back by 3600 s, /)
  })

  it('that was set right again is no longer wrong', () => {
    const { clock, time, events, ...the } = scene()
    for (const by of [HOUR, 200 - HOUR]) {
      clock.step(by)
      time.now()
    }
    expect(events.map(event => event.kind === 'clock_leapt' && event.by)).toEqual([HOUR, 200 - HOUR])
    expect(time.look()).toEqual({ leapt: 0 })
    expect(the.fault()).toBeUndefined()
  })

  it('that keeps leaping logs few lines a minute', () => {
    const { clock, time, events, logger } = scene()
    const leaps = (times: number): void => {
      for (let i = 0; i < times; i++) {
        clock.step(2 * SECOND)
        time.now()
      }
    }
    leaps(500)
    expect(events).toHaveLength(500)
    expect(logger.lines).toHaveLength(4)
    expect(logger.lines[3]?.message).toBe('the clock keeps leaping: further leaps are not logged for now')
    clock.pass(MINUTE)
    leaps(500)
    // Each minute three, and the one that says so; the second minute begins with how many were omitted in the first.
    expect(logger.lines).toHaveLength(9)
  })
})
