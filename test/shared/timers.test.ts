import { describe, expect, it, vi } from 'vitest'
import { abortable, inBackground, runAfter, runEvery, sleep, systemTimers } from '../../shared/timers.js'
import { createTestClock } from '../../testing/clock.js'

const DAY = 24 * 60 * 60 * 1000

describe('runAfter', () => {
  it('runs once, at its time', () => {
    const clock = createTestClock()
    const run = vi.fn()
    runAfter(clock, 1_000, run)
    clock.advance(999)
    expect(run).toHaveBeenCalledTimes(0)
    clock.advance(1)
    clock.advance(10_000)
    expect(run).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['at first', 0],
    ['half way', 30 * DAY],
  ])('does not run when it is cancelled %s', (_, passed) => {
    const clock = createTestClock()
    const run = vi.fn()
    const cancel = runAfter(clock, 60 * DAY, run)
    clock.advance(passed)
    cancel()
    clock.advance(100 * DAY)
    expect(run).not.toHaveBeenCalled()
  })

  it('can wait longer than a timer of the platform, and never asks one for more than it can', () => {
    const clock = createTestClock()
    const asked = vi.spyOn(clock, 'setTimeout')
    const run = vi.fn()
    runAfter(clock, 60 * DAY, run)
    clock.advance(60 * DAY - 1)
    expect(run).not.toHaveBeenCalled()
    clock.advance(1)
    expect(run).toHaveBeenCalledTimes(1)
    expect(Math.max(...asked.mock.calls.map(([, milliseconds]) => milliseconds))).toBeLessThan(2 ** 31)
  })

  it('does not wait if the time has passed', () => {
    const clock = createTestClock()
    const asked = vi.spyOn(clock, 'setTimeout')
    const run = vi.fn()
    runAfter(clock, -5, run)
    clock.advance(0)
    expect(run).toHaveBeenCalledTimes(1)
    expect(asked.mock.calls.map(([, milliseconds]) => milliseconds)).toEqual([0])
  })
})

describe('runEvery', () => {
  it('runs again and again until it is cancelled', () => {
    const clock = createTestClock()
    const run = vi.fn()
    const cancel = runEvery(clock, 1_000, run)
    clock.advance(3_500)
    expect(run).toHaveBeenCalledTimes(3)
    cancel()
    clock.advance(10_000)
    expect(run).toHaveBeenCalledTimes(3)
  })

  it('stops when it is cancelled from within', () => {
    const clock = createTestClock()
    const run = vi.fn(() => cancel())
    const cancel = runEvery(clock, 1_000, run)
    clock.advance(10_000)
    expect(run).toHaveBeenCalledTimes(1)
  })
})

describe('inBackground', () => {
  it('does not keep a process alive', () => {
    const timer = inBackground(systemTimers).setTimeout(() => {}, 60_000) as NodeJS.Timeout
    expect(timer.hasRef()).toBe(false)
    systemTimers.clearTimeout(timer)
    const other = systemTimers.setTimeout(() => {}, 60_000) as NodeJS.Timeout
    expect(other.hasRef()).toBe(true)
    systemTimers.clearTimeout(other)
  })

  it('accepts timers that are numbers, as those of browsers', () => {
    const clearTimeout = vi.fn()
    const timers = inBackground({ setTimeout: () => 7, clearTimeout })
    timers.clearTimeout(timers.setTimeout(() => {}, 1))
    expect(clearTimeout).toHaveBeenCalledWith(7)
  })
})

describe('sleep', () => {
  it('resolves at its time', async () => {
    const clock = createTestClock()
    const woken = vi.fn()
    const slept = sleep(clock, 1_000).then(woken)
    clock.advance(999)
    await Promise.resolve()
    expect(woken).not.toHaveBeenCalled()
    clock.advance(1)
    await slept
    expect(woken).toHaveBeenCalledTimes(1)
  })

  it('rejects when its signal aborts, and leaves no timer', async () => {
    const clock = createTestClock()
    const cleared = vi.spyOn(clock, 'clearTimeout')
    const controller = new AbortController()
    const slept = sleep(clock, 1_000, controller.signal)
    controller.abort(new Error('enough'))
    await expect(slept).rejects.toThrow('enough')
    expect(cleared).toHaveBeenCalledTimes(1)
  })

  it('does not begin when its signal has aborted', async () => {
    const clock = createTestClock()
    const asked = vi.spyOn(clock, 'setTimeout')
    await expect(sleep(clock, 1_000, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    expect(asked).not.toHaveBeenCalled()
  })
})

describe('abortable', () => {
  it('passes on the outcome, or the reason of the signal that aborts first', async () => {
    const { signal } = new AbortController()
    await expect(abortable(Promise.resolve(1), signal)).resolves.toBe(1)
    await expect(abortable(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed')
    const controller = new AbortController()
    const waiting = abortable(new Promise(() => {}), controller.signal)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(abortable(Promise.resolve(1), AbortSignal.abort(new Error('before')))).rejects.toThrow(
      'before',
    )
  })
})
