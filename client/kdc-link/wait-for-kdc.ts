import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import { SECOND } from '../../shared/time.js'
import { abortable, type Timers } from '../../shared/timers.js'
import type { KdcConnection } from './connection.js'

export interface WaitOptions {
  /** How long to keep trying to reach a KDC, milliseconds. */
  readonly wait: number
  readonly timers: Timers
  readonly logger: Logger
  readonly signal: AbortSignal | undefined
}

/**
 * Reaches a KDC, also one that has not started yet. The connection itself pauses between attempts.
 * @throws OrthrusError `unavailable` from the last attempt
 * @throws the reason of the signal, if it is aborted
 */
export async function waitForKdc(
  connection: KdcConnection,
  { wait, timers, logger, signal }: WaitOptions,
): Promise<void> {
  const over = new AbortController()
  const timer = timers.setTimeout(() => over.abort(), wait)
  const either = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  let failure: OrthrusError | undefined
  try {
    for (;;) {
      try {
        return await abortable(connection.open(), either)
      } catch (cause) {
        signal?.throwIfAborted()
        if (over.signal.aborted) throw late(wait, failure)
        if (!(cause instanceof OrthrusError) || cause.code !== 'unavailable') throw cause
        if (failure === undefined)
          logger.warn({ wait, cause }, 'waiting for a KDC that cannot be reached yet')
        failure = cause
      }
    }
  } finally {
    timers.clearTimeout(timer)
  }
}

function late(wait: number, last: OrthrusError | undefined): OrthrusError {
  const why = last === undefined ? '' : `: ${last.reason}`
  return new OrthrusError('unavailable', `no KDC could be used within the wait of ${wait / SECOND} s${why}`, {
    hint: last?.facts.hint ?? 'check that it runs, as with: orthrus kdc',
  })
}
