import type { ChannelStream } from './presented-channel.js'

/** A stream of its own, which can be slowed down without slowing others. */
export interface SlowableStream extends ChannelStream {
  /** Resolves when the operating system has the message, or never will. */
  send(message: Uint8Array): Promise<void>
  /** Whether messages are being read, or wait for one that is being handled. */
  readonly isReading: boolean
  /** Asks for a sign of life. Undefined if the platform cannot. */
  readonly ping: (() => void) | undefined
}
