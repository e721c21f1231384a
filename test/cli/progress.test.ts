import { describe, expect, it } from 'vitest'
import { whileWorking } from '../../cli/progress.js'
import { SECOND } from '../../shared/time.js'
import { TestClock } from '../support/clock.js'
import { failureIn } from '../support/failure.js'

/** The sign that a command is working. */

function terminal(errIsTerminal: boolean) {
  const shown: string[] = []
  return { shown, out: () => {}, err: (text: string) => shown.push(text), env: {}, errIsTerminal }
}

describe('the sign of progress', () => {
  it('turns five times a second at a terminal, and is gone when the work is done, or failed', async () => {
    for (const fails of [false, true]) {
      const time = new TestClock()
      const shown = terminal(true)
      const { promise, resolve, reject } = withResolvers()
      const working = whileWorking(shown, 'logging in', () => promise, time)
      await time.elapse(SECOND)
      expect(shown.shown).toEqual(['|', '/', '-', '\\', '|'].map(sign => `\rlogging in ${sign}`))
      if (fails) reject(new Error('refused'))
      else resolve('done')
      expect(fails ? await failureIn(() => working) : await working).toEqual(
        fails ? new Error('refused') : 'done',
      )
      await time.elapse(SECOND)
      expect(shown.shown.slice(5)).toEqual([`\r${' '.repeat(12)}\r`])
    }
  })

  it('is not shown for short work, to a file, or to another program', async () => {
    const time = new TestClock()
    const [short, file] = [terminal(true), terminal(false)]
    await whileWorking(short, 'logging in', async () => 'done', time)
    const { promise, resolve } = withResolvers()
    const working = whileWorking(file, 'logging in', () => promise, time)
    await time.elapse(SECOND)
    resolve('done')
    await working
    expect([short.shown, file.shown]).toEqual([[], []])
  })
})

function withResolvers() {
  let resolve: (value: unknown) => void = () => {}
  let reject: (cause: unknown) => void = () => {}
  const promise = new Promise((done, failed) => {
    resolve = done
    reject = failed
  })
  return { promise, resolve, reject }
}
