import { SECOND } from '../shared/time.js'
import { runEvery, systemTimers, type Timers } from '../shared/timers.js'
import type { Terminal } from './terminal.js'

/** How often the sign of progress turns, milliseconds. Work that takes less shows none. */
const TURN = SECOND / 5
const SIGNS = '|/-\\'

/**
 * Shows a person that something is being done, on standard error, and removes it when it is. A file or another program is
 * shown nothing.
 */
export async function whileWorking<T>(
  terminal: Terminal,
  what: string,
  work: () => Promise<T>,
  timers: Timers = systemTimers,
): Promise<T> {
  if (terminal.errIsTerminal !== true) return work()
  let turns = 0
  const cancel = runEvery(timers, TURN, () => terminal.err(`\r${what} ${SIGNS[turns++ % SIGNS.length]}`))
  try {
    return await work()
  } finally {
    cancel()
    // Written over, since not every terminal knows how to erase a line.
    if (turns > 0) terminal.err(`\r${' '.repeat(what.length + 2)}\r`)
  }
}
