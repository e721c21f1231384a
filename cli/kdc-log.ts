import { constants, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { pino } from 'pino'
import type { Logger } from '../shared/logger.js'
import { systemTimers } from '../shared/timers.js'
import { LogOutput } from './log-output.js'

/** The log of `orthrus kdc`: lines of JSON on standard error. */

export const LEVELS = ['debug', 'info', 'warn', 'error']

const STANDARD_ERROR = 2

/** How long the end of the process waits for a reader to take the last lines, milliseconds. */
const PATIENCE = 1_000

export interface KdcLog {
  readonly logger: Logger
  /** Resolves when the last lines are written, or cannot be in time. */
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
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, output)
  process.on('exit', () => output.flush())
  return { logger, end: () => output.end(PATIENCE) }
}

/**
 * A write to a pipe that is full, or to a terminal that was told to stop, waits until somebody reads, and the KDC with
 * it. Here it fails instead.
 */
function standardErrorThatNeverWaits(): number {
  if (isatty(STANDARD_ERROR)) return terminalThatNeverWaits()
  // Node's own stream makes a pipe or a socket non-blocking when it is made, and leaves a file as it is.
  void process.stderr
  return STANDARD_ERROR
}

/** Opened again, as Node makes its own blocking, and other processes have it too. */
function terminalThatNeverWaits(): number {
  try {
    return openSync('/dev/stderr', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return STANDARD_ERROR
  }
}
