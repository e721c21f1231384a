import { describe, expect, it } from 'vitest'
import { LogOutput, WAITING_MAX } from '../../cli/log-output.js'
import { TestClock } from '../support/clock.js'

const LINE = `${'x'.repeat(99)}\n`

/** A place with room for this many bytes, which a test makes larger. */
function scene(room = Number.POSITIVE_INFINITY) {
  const clock = new TestClock()
  const place = { room, text: '', attempts: 0 }
  const output: LogOutput = new LogOutput({
    write: bytes => {
      place.attempts += 1
      if (place.room === 0) throw Object.assign(new Error('try again'), { code: 'EAGAIN' })
      const written = bytes.subarray(0, place.room)
      place.room -= written.length
      place.text += String(written)
      return written.length
    },
    timers: clock,
    onDropped: lines => output.write(`dropped ${lines}\n`),
  })
  return { clock, place, output }
}

describe('the output of a log', () => {
  it('is written immediately if there is room', () => {
    const { place, output } = scene()
    output.write('one\n')
    output.write('two\n')
    expect(place.text).toBe('one\ntwo\n')
  })

  it('waits if there is no room, and arrives whole and in order when there is', () => {
    const { clock, place, output } = scene(6)
    for (const line of ['one\n', 'two\n', 'three\n']) output.write(line)
    expect(place.text).toBe('one\ntw')
    place.room = 3
    clock.advance(10)
    expect(place.text).toBe('one\ntwo\nt')
    place.room = 100
    clock.advance(10)
    expect(place.text).toBe('one\ntwo\nthree\n')
    output.write('four\n')
    expect(place.text).toBe('one\ntwo\nthree\nfour\n')
  })

  it('is tried again less and less often, down to once a second, and not for each line', () => {
    const { clock, place, output } = scene(0)
    for (let i = 0; i < 50; i++) output.write(LINE)
    expect(place.attempts).toBe(1)
    clock.advance(1_270)
    expect(place.attempts).toBe(8)
    clock.advance(60_000)
    expect(place.attempts).toBeLessThanOrEqual(8 + 60)
  })

  it('is dropped and counted beyond a bound, and the count is reported when there is room', () => {
    const { clock, place, output } = scene(0)
    const kept = Math.floor(WAITING_MAX / LINE.length)
    for (let i = 0; i < kept + 7; i++) output.write(LINE)
    place.room = Number.POSITIVE_INFINITY
    clock.advance(10)
    expect(place.text).toBe(`${LINE.repeat(kept)}dropped 7\n`)
    output.write('after\n')
    expect(place.text.endsWith('dropped 7\nafter\n')).toBe(true)
  })

  it('takes one line that is longer than the bound if nothing else waits', () => {
    const { clock, place, output } = scene(0)
    output.write('y'.repeat(WAITING_MAX + 1))
    place.room = Number.POSITIVE_INFINITY
    clock.advance(10)
    expect(place.text).toHaveLength(WAITING_MAX + 1)
  })

  it('does not keep a process alive for waiting lines', () => {
    const { clock, output } = scene(0)
    output.write(LINE)
    expect(clock.timers).toEqual({ all: 1, held: 0 })
  })
})

describe('the end of a log', () => {
  it('comes when the last line is written', async () => {
    const { clock, place, output } = scene(0)
    output.write('last\n')
    let ended = false
    const ending = output.end(1_000).then(() => {
      ended = true
    })
    await clock.elapse(100)
    expect(ended).toBe(false)
    place.room = 100
    await clock.elapse(100)
    expect(ended).toBe(true)
    expect(place.text).toBe('last\n')
    expect(clock.timers.all).toBe(0)
    await ending
  })

  it('does not wait for a reader that has gone', async () => {
    const { clock, output } = scene(0)
    output.write('last\n')
    const ending = output.end(1_000)
    expect(clock.timers.held).toBe(1)
    await clock.elapse(1_000)
    await ending
  })

  it('does not wait if all is written, and makes one attempt if the process ends immediately', async () => {
    const { place, output } = scene(0)
    output.write('last\n')
    place.room = 100
    output.flush()
    expect(place.text).toBe('last\n')
    await output.end(1_000)
  })
})
