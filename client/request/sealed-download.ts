import { OpenedBody } from '../../shared/channel/opened-body.js'
import type { StreamOpener } from '../../shared/channel/sealed-stream.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'

export interface DownloadOptions {
  readonly body: ReadableStream<Uint8Array>
  readonly opener: StreamOpener
  readonly clock: Clock
  readonly timers: Timers
  /** Ends the reading, with its reason. */
  readonly signal: AbortSignal
  /** Called once, when nothing more is read. */
  onOver(): void
}

/** The body of a sealed response, which ends with a signal. */
export function openDownload({
  signal,
  onOver,
  ...options
}: DownloadOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  // The platform's own error for an abort does not always have the reason.
  const abort = (): void => body.end(signal.reason)
  const body = new OpenedBody({
    ...options,
    onOver: () => {
      signal.removeEventListener('abort', abort)
      onOver()
    },
  })
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  return body.stream
}
