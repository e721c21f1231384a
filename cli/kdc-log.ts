import { constants, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { pino } from 'pino'
import type { Logger } from '../shared/logger.js'
import { printable } from '../shared/printable.js'
import { withoutSecrets } from '../shared/shown-text.js'
import { systemTimers } from '../shared/timers.js'
import { LogOutput } from './log-output.js'

/** The log of `orthrus kdc`: JSON lines on standard error. */

const STANDARD_ERROR = 2

/** How long the process waits at its end for a reader to take the last lines, milliseconds. */
const PATIENCE = 1_000

export interface KdcLog {
  readonly logger: Logger
  /** Resolves when the last lines are written, or the time is over. */
  end(): Promise<void>
}

export function startKdcLog(level: string): KdcLog {
  const descriptor = standardErrorThatNeverWaits()
  const output = new LogOutput({
    write: bytes => writeSync(descriptor, bytes),
    timers: systemTimers,
    onDropped: lines =>
      logger.error({ lines }, 'lines of this log were dropped: its reader stalled, or there was no room'),
  })
  // What a client sent is in some lines, and people read them on a terminal.
  const destination = { write: (line: string) => output.write(printable(withoutSecrets(line))) }
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination)
  process.on('exit', () => output.flush())
  return { logger, end: () => output.end(PATIENCE) }
}

/**
 * A write to a full pipe, or to a stopped terminal, would wait until somebody reads, and stop the KDC. Here it fails
 * instead.
 */
function standardErrorThatNeverWaits(): number {
  if (isatty(STANDARD_ERROR)) return terminalThatNeverWaits()
  // Node's own stream makes a pipe or a socket non-blocking, and leaves a file unchanged.
  void process.stderr
  return STANDARD_ERROR
}

/** The terminal is opened again, because Node makes its own stream blocking, and other processes use it too. */
function terminalThatNeverWaits(): number {
  try {
    return openSync('/dev/stderr', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return STANDARD_ERROR
  }
}
