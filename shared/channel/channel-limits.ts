import { shown } from '../shown-text.js'
import { CHANNEL_MESSAGE_MAX } from './channel.js'

/** The limits that a side of a channel sets for the other side, bytes. */
export interface ChannelLimits {
  readonly maxMessage: number
  /** How much may wait in each direction. */
  readonly maxBuffered: number
}

const BUFFERED_MESSAGES = 16

/** Room for what was read before a sender was slowed down, bytes. */
const READ_AHEAD = 256 * 1024

/** @throws TypeError if an option is no number of bytes, or less can wait than one message */
export function channelLimits(options: Partial<ChannelLimits>): ChannelLimits {
  const { maxMessage = CHANNEL_MESSAGE_MAX } = options
  requireCount('maxMessage', maxMessage)
  const { maxBuffered = BUFFERED_MESSAGES * maxMessage + READ_AHEAD } = options
  requireCount('maxBuffered', maxBuffered)
  if (maxBuffered >= maxMessage + READ_AHEAD) return { maxMessage, maxBuffered }
  throw new TypeError(
    `maxBuffered has room for a message and what was read ahead: at least ${maxMessage + READ_AHEAD} bytes here`,
  )
}

function requireCount(name: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) > 0) return
  throw new TypeError(`${name} is a number of bytes above 0, not ${shown(value)}`)
}
