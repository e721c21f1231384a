import type { Channel } from '../../shared/channel/channel.js'
import type { Logger } from '../../shared/logger.js'
import { MINUTE, SECOND } from '../../shared/time.js'
import { inBackground, sleep, type Timers } from '../../shared/timers.js'
import type { ContinuedStream } from './continued-stream.js'

export interface RenewalOptions {
  readonly timers: Timers
  /** KDC time, milliseconds. */
  readonly now: () => number
  readonly logger: Logger
  /** When a ticket that is had now would end, milliseconds. */
  readonly ticketEnd: () => Promise<number>
  /** Opens a channel that continues the stream. */
  readonly open: () => Promise<Channel>
}

/** The part of a channel's time that is left when the next one is opened: a ticket is refreshed with a fifth left. */
const LEFT = { FIRST: 0.1, AGAIN: 0.5 } as const

/** The shortest pause between attempts, milliseconds. */
const PAUSE_MIN = SECOND

/**
 * Has a stream go on in a channel under a fresh ticket before each of its tickets ends, until it is over. Where that
 * fails, it is tried again until the end. Never rejects.
 */
export async function renewUntilOver(stream: ContinuedStream, options: RenewalOptions): Promise<void> {
  const over = new AbortController()
  void stream.closed.then(() => over.abort())
  for (let end = 0; !stream.isOver; ) {
    try {
      const left = end === stream.endTime ? LEFT.AGAIN : LEFT.FIRST
      end = stream.endTime
      await waitUntilLeft(left, stream, options, over.signal)
      await renew(stream, options)
    } catch (err) {
      if (stream.isOver) return
      options.logger.warn({ err }, 'a connection has no fresh ticket yet')
    }
  }
}

/** In pieces, since a machine may sleep. */
async function waitUntilLeft(
  part: number,
  { endTime }: ContinuedStream,
  options: RenewalOptions,
  signal: AbortSignal,
): Promise<void> {
  const { timers, now } = options
  const due = endTime - part * (endTime - now())
  do {
    const left = due - now()
    await sleep(inBackground(timers), Math.min(MINUTE, Math.max(PAUSE_MIN, left)), signal)
  } while (now() < due)
}

async function renew(stream: ContinuedStream, { ticketEnd, open, logger }: RenewalOptions): Promise<void> {
  if ((await ticketEnd()) <= stream.endTime) return
  const channel = await open()
  if (channel.endTime > stream.endTime && stream.continueOn(channel)) {
    logger.info({}, 'a connection goes on under a fresh ticket')
    return
  }
  channel.abort('it continues nothing')
}
